"""One launch of a call a row: the columns of launches.csv, both ways.

Rows of a point and cache state stand together, in order of ``index``.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import fields

from dsprof.harness.errors import ProfileError
from dsprof.harness.launch_span import LaunchSpan
from dsprof.harness.records import Cache

COLUMNS = tuple(field.name for field in fields(LaunchSpan))


def header() -> str:
    return _line(COLUMNS)


def to_line(span: LaunchSpan) -> str:
    """Return the launch as one physical line."""
    return _line(
        (
            span.label,
            span.cache,
            str(span.index),
            " ".join(span.function_name.split()),
            repr(span.start_us),
            repr(span.time_us),
            str(span.calls),
        )
    )


def parse(text: str, name: str) -> list[LaunchSpan]:
    """Rows of a launches.csv; ProfileError with file and line where one is broken."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = next(reader, [])
        if tuple(columns) != COLUMNS:
            raise ProfileError(
                f"{name}, line 1: its columns are not {', '.join(COLUMNS)}. "
                "It is not a launches.csv that this dsprof reads."
            )
        return [_from_row(dict(zip(COLUMNS, row, strict=True))) for row in reader]
    except (ValueError, csv.Error) as error:
        raise ProfileError(
            f"{name}, line {reader.line_num}: {error}. The file is left as it is; "
            "repair or remove that line."
        ) from error


def _from_row(row: Mapping[str, str]) -> LaunchSpan:
    return LaunchSpan(
        label=row["label"],
        cache=Cache(row["cache"]),
        index=int(row["index"]),
        function_name=row["function_name"],
        start_us=float(row["start_us"]),
        time_us=float(row["time_us"]),
        calls=int(row["calls"]),
    )


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()
