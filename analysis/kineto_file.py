"""A trace that torch.profiler exported, as events of the kinds that a timeline needs.

The file is read whole, packed or not. Events of other kinds, which are most of it, are
dropped while it is parsed, so what stays in memory is about the text's own size.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from dsprof.harness.errors import ProfileError

GZIP = b"\x1f\x8b"
RECORD_LESS = (
    "Record fewer steps (torch.profiler.schedule) without stacks and shapes, or use "
    "dsprof nsys."
)
_MOST_BYTES = 2 << 30  # of JSON text
_NS_PER_US = 1000
_COMPLETE = "X"  # the phase of an event with a duration
EXPORT_AGAIN = "Export it again with prof.export_chrome_trace(...)."


class Category(StrEnum):
    """The kinds of event that are kept."""

    KERNEL = "kernel"
    COPY = "gpu_memcpy"
    SET = "gpu_memset"
    CALL = "cuda_runtime"
    DRIVER_CALL = "cuda_driver"
    RANGE = "user_annotation"
    GPU_RANGE = "gpu_user_annotation"
    SPAN = "trace"


# As torch before 2.0 wrote them.
_OLD_NAMES = {
    "memcpy": Category.COPY,
    "memset": Category.SET,
    "runtime": Category.CALL,
}


@dataclass(frozen=True, slots=True)
class Event:
    """One event; times in nanoseconds of the trace's clock."""

    category: Category
    name: str
    start_ns: int
    end_ns: int
    process: str  # of GPU events: the device
    thread: str  # of GPU events: the stream
    values: Mapping[str, Any]  # what Kineto calls args

    def integer(self, key: str) -> int | None:
        """One of its values, if that is a whole number."""
        value = self.values.get(key)
        return value if type(value) is int else None


@dataclass(frozen=True, slots=True, kw_only=True)
class KinetoTrace:
    """The events of a trace and what its first lines say."""

    events: tuple[Event, ...]
    without_times: int  # events of these kinds that were left out
    devices: Mapping[int, tuple[str, tuple[int, int]]]  # name, compute capability
    base_ns: int  # what the times count from, since the epoch

    def of(self, *categories: Category) -> list[Event]:
        return [event for event in self.events if event.category in categories]


def load_trace(path: Path) -> KinetoTrace:
    """Read a .json or .json.gz file; ProfileError where it is no Kineto trace."""
    text = _read_text(path)
    try:
        document = json.loads(text, object_hook=_only_needed, parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise ProfileError(
            f"{path}, line {error.lineno}, column {error.colno}: {error.msg}. It is no "
            f"JSON, or was cut off. {EXPORT_AGAIN}"
        ) from error
    except RecursionError as error:
        raise ProfileError(
            f"{path} is nested too deeply for a trace. {EXPORT_AGAIN}"
        ) from error
    head = document if isinstance(document, dict) else {"traceEvents": document}
    listed = head.get("traceEvents")
    if not isinstance(listed, list):
        raise ProfileError(
            f"{path} is JSON, but no trace of torch.profiler: it has no traceEvents. "
            f"{EXPORT_AGAIN}"
        )
    kept = [item for item in listed if isinstance(item, dict)]
    events = [event for item in kept if (event := _event(item)) is not None]
    base = head.get("baseTimeNanoseconds")
    return KinetoTrace(
        events=tuple(events),
        without_times=len(kept) - len(events),
        devices=_devices(head.get("deviceProperties")),
        base_ns=base if type(base) is int else 0,
    )


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            packed = file.read(len(GZIP)) == GZIP
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if packed else file
            raw = stream.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise ProfileError(f"No file {path}. Check the name and the folder.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ProfileError(
            f"{path} cannot be unpacked: {error}. Copy or export it again."
        ) from error
    except OSError as error:
        raise ProfileError(f"Cannot read {path}: {error.strerror}.") from error
    if len(raw) > _MOST_BYTES:
        raise ProfileError(
            f"{path} has more than {_MOST_BYTES >> 30} GiB of JSON. {RECORD_LESS}"
        )
    return raw.decode("utf-8", "replace")


def _only_needed(item: dict[str, Any]) -> dict[str, Any] | None:
    """Drop events of other kinds; what is no event stays."""
    if "ph" not in item:
        return item
    return item if item["ph"] == _COMPLETE and _category(item) else None


def _category(item: Mapping[str, Any]) -> Category | None:
    text = str(item.get("cat", "")).lower()
    if text in _OLD_NAMES:
        return _OLD_NAMES[text]
    return Category(text) if text in set(Category) else None


def _event(item: Mapping[str, Any]) -> Event | None:
    """The event; None where it has no times."""
    category = _category(item)
    start, duration = _ns(item.get("ts")), _ns(item.get("dur"))
    if category is None or start is None or duration is None or duration < 0:
        return None
    values = item.get("args")
    return Event(
        category=category,
        name=str(item.get("name", "")),
        start_ns=start,
        end_ns=start + duration,
        process=str(item.get("pid", "")),
        thread=str(item.get("tid", "")),
        values=values if isinstance(values, dict) else {},
    )


def _ns(value: object) -> int | None:
    """Microseconds as nanoseconds: exactly, for a float would lose them."""
    if type(value) is int:
        return value * _NS_PER_US
    if isinstance(value, Decimal) and value.is_finite():
        return int((value * _NS_PER_US).to_integral_value())
    return None


def _devices(listed: object) -> dict[int, tuple[str, tuple[int, int]]]:
    found: dict[int, tuple[str, tuple[int, int]]] = {}
    for item in listed if isinstance(listed, Iterable) else ():
        if isinstance(item, dict) and type(item.get("id")) is int:
            major, minor = item.get("computeMajor"), item.get("computeMinor")
            capability = (0, 0)
            if isinstance(major, int) and isinstance(minor, int):
                capability = (major, minor)
            found[item["id"]] = (str(item.get("name", "")), capability)
    return found
