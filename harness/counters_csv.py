"""One launch a row: the columns of counters.csv, both ways.

First what the launch was, then one column a counter with its unit, in the order of
``Counters``. An empty cell is a counter that the report did not have; ``missing``
says why, as ``counter=reason|...``, except for those that nobody asked for.
"""

import csv
import io
from collections.abc import Iterable, Mapping

from dsprof.harness.counters import Counters, counter_metrics
from dsprof.harness.errors import ProfileError
from dsprof.harness.records import Cache

IDENTITY_COLUMNS = (
    "label", "cache", "launch", "kernel_name", "function_name", "grid", "block",
    "ranges", "device_name", "compute_capability", "nvidia_class", "stalls", "missing",
)  # fmt: skip
COLUMNS = (*IDENTITY_COLUMNS, *counter_metrics())
SEPARATOR = "|"


def header() -> str:
    return _line(COLUMNS)


def to_line(counters: Counters) -> str:
    """Return the launch as one physical line."""
    cells = {
        "label": counters.label,
        "cache": counters.cache or "",
        "launch": str(counters.launch),
        "kernel_name": " ".join(counters.kernel_name.split()),
        "function_name": counters.function_name,
        "grid": _joined(counters.grid),
        "block": _joined(counters.block),
        "ranges": SEPARATOR.join(counters.ranges),
        "device_name": counters.device_name,
        "compute_capability": ".".join(map(str, counters.compute_capability)),
        "nvidia_class": counters.nvidia_class,
        "stalls": SEPARATOR.join(
            f"{name}={value!r}" for name, value in counters.stalls.items()
        ),
        "missing": SEPARATOR.join(
            f"{name}={reason}" for name, reason in counters.missing.items()
        ),
    }
    for name in counter_metrics():
        value = getattr(counters, name)
        cells[name] = "" if value is None else _number(value)
    return _line(cells[column] for column in COLUMNS)


def parse(text: str, name: str) -> list[Counters]:
    """Rows of a counters.csv; ProfileError with file and line where one is broken.

    Columns of counters that came later may be absent.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = next(reader, [])
        _check_columns(columns, name)
        return [_from_row(dict(zip(columns, cells, strict=True))) for cells in reader]
    except (ValueError, csv.Error) as error:
        raise ProfileError(
            f"{name}, line {reader.line_num}: {error}. The file is left as it is; "
            "repair or remove that line."
        ) from error


def _check_columns(columns: list[str], name: str) -> None:
    missing = [column for column in IDENTITY_COLUMNS if column not in columns]
    unknown = [column for column in columns if column not in COLUMNS]
    if missing or unknown:
        problem = (
            f"no column {missing[0]!r}" if missing else f"unknown column {unknown[0]!r}"
        )
        raise ProfileError(
            f"{name}, line 1: {problem}. It is not a counters.csv that this dsprof "
            "reads."
        )


def _from_row(row: Mapping[str, str]) -> Counters:
    major, minor = row["compute_capability"].split(".")
    return Counters(
        label=row["label"],
        cache=Cache(row["cache"]) if row["cache"] else None,
        launch=int(row["launch"]),
        kernel_name=row["kernel_name"],
        function_name=row["function_name"],
        grid=_triple(row["grid"]),
        block=_triple(row["block"]),
        ranges=_split(row["ranges"]),
        device_name=row["device_name"],
        compute_capability=(int(major), int(minor)),
        nvidia_class=row["nvidia_class"],
        stalls={name: float(value) for name, value in _pairs(row["stalls"])},
        missing=dict(_pairs(row["missing"])),
        **{name: float(row[name]) for name in counter_metrics() if row.get(name)},
    )


def _pairs(cell: str) -> list[tuple[str, str]]:
    parts = (part.partition("=") for part in _split(cell))
    return [(name, value) for name, _, value in parts]


def _split(cell: str) -> tuple[str, ...]:
    return tuple(cell.split(SEPARATOR)) if cell else ()


def _joined(sizes: tuple[int, int, int]) -> str:
    return "x".join(map(str, sizes))


def _triple(cell: str) -> tuple[int, int, int]:
    x, y, z = (int(part) for part in cell.split("x"))
    return x, y, z


def _number(value: float) -> str:
    """Whole numbers without a fraction, others so that they read back the same."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()
