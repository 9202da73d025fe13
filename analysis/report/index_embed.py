"""Data and scripts as text of an HTML file, where no name in them becomes markup."""

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import TypeAlias

Json: TypeAlias = (
    bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
)
# A script element ends at "</script" and may change its meaning at "<!--": neither
# can be written without "<". "&" is escaped so that no reader has to know this.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_WHOLE = 1e15  # a JSON number beyond it would be read as another one
SHOWN_DIGITS = 5  # more than any text of the page prints


def json_block(value: Json) -> str:
    """JSON for a script element of type application/json."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def number(value: object, digits: int = SHOWN_DIGITS) -> float | int | None:
    """A number as JSON has it: short, and None for what is not there or infinite."""
    if value is None:
        return None
    if isinstance(value, int):
        return value
    real = float(str(value)) if not isinstance(value, float) else value
    if not math.isfinite(real):
        return None
    short = float(f"{real:.{digits}g}")
    return int(short) if short.is_integer() and abs(short) < _WHOLE else short


def texts(values: Iterable[str]) -> Json:
    """A column of texts, each written once: ``of`` has them, ``at`` their places."""
    places: dict[str, int] = {}
    at = [places.setdefault(value, len(places)) for value in values]
    return {"of": list(places), "at": at}


def numbers(values: Iterable[object], digits: int = SHOWN_DIGITS) -> Json:
    """A column of numbers."""
    return [number(value, digits) for value in values]


def columns(rows: Sequence[Mapping[str, object]], digits: int = SHOWN_DIGITS) -> Json:
    """Rows of equal keys as columns: of texts, or of numbers where they hold none."""
    return {
        name: texts(str(row[name]) for row in rows)
        if any(isinstance(row[name], str) for row in rows)
        else numbers((row[name] for row in rows), digits)
        for name in (rows[0] if rows else ())
    }


def plotly_script() -> str:
    """The plotting library, as its package ships it for pages without network."""
    package = files("plotly") / "package_data" / "plotly.min.js"
    return package.read_text(encoding="utf-8")


def script_hash(script: str) -> str:
    """What a Content-Security-Policy allows this script by, and no other one."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
