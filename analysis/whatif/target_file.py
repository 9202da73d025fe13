"""Reads a machine from a user's TOML file; names every fault of the file at once."""

import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dsprof.analysis.whatif.quantity import (
    ACCEPTED,
    QuantityError,
    Unit,
    read_quantity,
)
from dsprof.analysis.whatif.target import Target, target_of_device
from dsprof.harness.device import Datapath, device_spec, known_devices
from dsprof.harness.errors import UsageError

EXAMPLE_TOML = Path(__file__).with_name("example-npu.toml")
RATES = "flops_per_s"
SHOWN_CHARACTERS = 60  # of a wrong value
# Short names of the datapaths, as in ``fp8 = "2000T"``; their full ones do too.
SHORT_NAMES = tuple(path.removesuffix("_tensor") for path in Datapath)
DATAPATHS = dict(zip(SHORT_NAMES, Datapath, strict=True)) | {
    path.value: path for path in Datapath
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Between which values a number is believed: outside, its unit was mistaken."""

    unit: Unit
    low: float
    high: float
    optional: bool = False


LIMITS: Mapping[str, Limit] = {
    "hbm_bytes_per_s": Limit(unit=Unit.BYTES_PER_S, low=1e9, high=1e17),
    "hbm_latency_s": Limit(unit=Unit.SECONDS, low=1e-9, high=1e-3),
    "on_chip_bytes": Limit(unit=Unit.BYTES, low=2**10, high=2**50),
    "on_chip_bytes_per_s": Limit(unit=Unit.BYTES_PER_S, low=1e9, high=1e18),
    "launch_latency_s": Limit(unit=Unit.SECONDS, low=1e-10, high=1e-2),
    "power_w": Limit(unit=Unit.WATTS, low=0.1, high=1e6, optional=True),
}
RATE_LIMIT = Limit(unit=Unit.FLOP_PER_S, low=1e9, high=1e21)
KEYS = ("name", *LIMITS, RATES)


def find_target(name_or_path: str, source: Target) -> Target:
    """A known GPU by its id, or the machine that a TOML file describes.

    A file with a table like those of ``gpus.toml`` does too; what it lacks then comes
    from the source, as for a known GPU.
    """
    known = known_devices()
    if name_or_path in known:
        return target_of_device(known[name_or_path], source)
    path = Path(name_or_path)
    if path.suffix != ".toml":
        raise UsageError(
            f"No GPU '{name_or_path}'. Known: {', '.join(known)}. For another machine, "
            "give a .toml file; `dsprof whatif --print-example` prints one."
        )
    if _describes_a_gpu(_document(path)):
        return target_of_device(device_spec(name_or_path), source)
    return read_target(path)


def read_target(path: Path) -> Target:
    """The machine of a file like ``example-npu.toml``.

    A UsageError lists every fault: line, key, what was found and what is accepted.
    """
    document = _document(path)
    reader = _Reader(document=document, lines=_key_lines(_text(path)))
    values = reader.numbers()
    rates = reader.rates()
    name = reader.name(path.stem)
    reader.name_unknown_keys()
    if reader.faults:
        count = len(reader.faults)
        head = "a fault" if count == 1 else f"{count} faults"
        faults = "\n".join(f"  {fault}" for fault in reader.in_order())
        raise UsageError(
            f"{path} has {head}:\n{faults}\n"
            "`dsprof whatif --print-example` prints a file with every key."
        )
    return Target(
        name=name,
        flops_per_s=rates,
        hbm_bytes_per_s=values["hbm_bytes_per_s"],
        on_chip_bytes=values["on_chip_bytes"],
        on_chip_bytes_per_s=values["on_chip_bytes_per_s"],
        hbm_latency_s=values["hbm_latency_s"],
        launch_latency_s=values["launch_latency_s"],
        power_w=values.get("power_w"),
    )


@dataclass(slots=True)
class _Reader:
    """A parsed file and where its keys stand; it collects faults instead of raising."""

    document: Mapping[str, Any]
    lines: Mapping[tuple[str, ...], int]
    faults: list[tuple[int, str]] = field(default_factory=list)

    def in_order(self) -> list[str]:
        return [text for _, text in sorted(self.faults, key=lambda fault: fault[0])]

    def numbers(self) -> dict[str, float]:
        read = (
            (key, self._number(self.document, (key,), limit))
            for key, limit in LIMITS.items()
        )
        return {key: value for key, value in read if value is not None}

    def rates(self) -> dict[Datapath, float]:
        table = self.document.get(RATES, {})
        if not isinstance(table, dict):
            self._wrong((RATES,), table, f"not a table; give [{RATES}] and its dtypes")
            return {}
        found: dict[Datapath, float] = {}
        for key in table:
            path = DATAPATHS.get(key)
            if path is None:
                self._unknown(
                    (RATES, key), table[key], list(DATAPATHS)[: len(Datapath)]
                )
            elif path in found:
                self._wrong((RATES, key), table[key], f"{path} stands there twice")
            elif (value := self._number(table, (RATES, key), RATE_LIMIT)) is not None:
                found[path] = value
        if Datapath.FP32 not in table:
            self._number({}, (RATES, Datapath.FP32.value), RATE_LIMIT)
        return found

    def name(self, otherwise: str) -> str:
        value = self.document.get("name", otherwise)
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())
        self._wrong(("name",), value, 'not text; give a name, such as "My NPU"')
        return otherwise

    def name_unknown_keys(self) -> None:
        for key in self.document.keys() - set(KEYS):
            self._unknown((key,), self.document[key], KEYS)

    def _number(
        self, table: Mapping[str, Any], path: tuple[str, ...], limit: Limit
    ) -> float | None:
        """The number of the path's last key; None, and maybe a fault, without one."""
        accepted = f"give {ACCEPTED[limit.unit]}"
        if path[-1] not in table:
            if not limit.optional:
                self._add(path, f"is missing: {accepted}")
            return None
        found = table[path[-1]]
        try:
            value = read_quantity(found, limit.unit)
        except QuantityError as error:
            self._wrong(path, found, f"{error}; {accepted}")
            return None
        if not limit.low <= value <= limit.high:
            between = f"outside {limit.low:g} to {limit.high:g} {limit.unit}"
            self._wrong(path, found, f"{between}; {accepted}")
            return None
        return value

    def _unknown(
        self, path: tuple[str, ...], found: object, known: Sequence[str]
    ) -> None:
        self._wrong(path, found, f"not a key of this file; known: {', '.join(known)}")

    def _wrong(self, path: tuple[str, ...], found: object, what: str) -> None:
        self._add(path, f"is {_shown(found)}: {what}")

    def _add(self, path: tuple[str, ...], what: str) -> None:
        line = self._line(path)
        place = f"line {line}: " if line else ""
        self.faults.append((line, f"{place}{'.'.join(path)} {what}."))

    def _line(self, path: tuple[str, ...]) -> int:
        """Of the key, or of the table around it; 0 where the file has neither."""
        return next(
            (
                self.lines[path[:length]]
                for length in range(len(path), 0, -1)
                if path[:length] in self.lines
            ),
            0,
        )


def _shown(value: object) -> str:
    """A value on one line, as TOML writes it where that is short."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    if isinstance(value, float) and not math.isfinite(value):
        text = str(value)  # as TOML has it: nan, inf
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"Cannot read {path}: {error.strerror}. Give a readable .toml file."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is no valid TOML: {error}. Save it as UTF-8 text."
        ) from None


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is no valid TOML: {error}. Mend that line.") from None


def _describes_a_gpu(document: Mapping[str, Any]) -> bool:
    """True for tables like those of ``gpus.toml``, whose every number has a source."""
    return bool(document) and all(
        isinstance(table, dict) and "compute_capability" in table
        for table in document.values()
    )


_HEADER = re.compile(r"\s*\[+([^\]]+)\]+\s*(?:#.*)?")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'|\s*\.\s*)+)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def _key_lines(text: str) -> dict[tuple[str, ...], int]:
    """Where each key and table first stands, by its path; the parser does not say.

    Lines inside a text of several lines may be taken for keys that no table has.
    """
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.fullmatch(line):
            table = _parts(header[1])
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            path = (*table, *_parts(key[1]))
            for length in range(len(table) + 1, len(path) + 1):
                found.setdefault(path[:length], number)
    return found


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
