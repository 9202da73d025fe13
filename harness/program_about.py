"""What a program says of itself: an object in JSON, one line of its standard output."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

LONGEST = 20_000  # characters of a line that may be such an object
MOST_ITEMS = 100


def read_about(output: Path) -> dict[str, str]:
    """The fields of the last such line, as text; empty where there is none.

    Fields of an inner object get its name before their own and a dot; a list is its
    items with commas, or its sentences. What would be lists of objects is left out.
    """
    if not output.exists():
        return {}
    text = output.read_text(encoding="utf-8", errors="replace")
    for line in reversed(text.splitlines()):
        found = _object(line.strip())
        if found is not None:
            return dict(list(_flat(found, ""))[:MOST_ITEMS])
    return {}


def _object(line: str) -> Mapping[str, object] | None:
    if not line.startswith("{") or len(line) > LONGEST:
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _flat(fields: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _flat(value, f"{key}.")
        elif isinstance(value, list):
            if not any(isinstance(item, dict | list) for item in value):
                yield key, _joined([_text(item) for item in value])
        elif value is not None:
            yield key, _text(value)


def _joined(items: list[str]) -> str:
    """Sentences one after the other, anything else with commas."""
    sentences = bool(items) and all(item.endswith(".") for item in items)
    return (" " if sentences else ", ").join(items)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
