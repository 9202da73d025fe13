"""The kernels of a profile's timelines: the columns of timeline.csv, both ways.

One row a kernel name and range, whose grid and block are empty, and one a launch
configuration of it. ``timeline`` is the position in profile.json, from 0.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dsprof.harness.errors import ProfileError
from dsprof.harness.timeline import KernelTime, Timeline

COLUMNS = (
    "timeline", "range", "kernel_name", "grid", "block", "device", "instances",
    "total_ns", "median_ns", "min_ns", "max_ns", "stddev_ns",
)  # fmt: skip


def to_text(timelines: Sequence[Timeline]) -> str:
    """The whole file."""
    buffer = io.StringIO(newline="")
    # All text is quoted: a range may hold a line break of any kind.
    writer = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(COLUMNS)
    for position, timeline in enumerate(timelines):
        writer.writerows(_cells(position, row) for row in timeline.kernels)
    return buffer.getvalue()


def add_rows(
    timelines: Sequence[Timeline], text: str, name: str
) -> tuple[tuple[Timeline, ...], int]:
    """Timelines with their rows of a timeline.csv, and how many rows had no timeline.

    A run that was killed between the two files leaves such rows. ProfileError names
    file and line of a broken row.
    """
    rows: dict[int, list[KernelTime]] = {}
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        _check_columns(next(reader, []), name)
        for cells in reader:
            row = dict(zip(COLUMNS, cells, strict=True))
            rows.setdefault(int(row["timeline"]), []).append(_from_row(row))
    except (ValueError, csv.Error) as error:
        raise ProfileError(
            f"{name}, line {reader.line_num}: {error}. The file is left as it is; "
            "repair or remove that line."
        ) from error
    filled = tuple(
        replace(timeline, kernels=tuple(rows.pop(position, ())))
        for position, timeline in enumerate(timelines)
    )
    return filled, sum(map(len, rows.values()))


def _cells(position: int, row: KernelTime) -> Iterable[str | float]:
    return (
        position,
        row.range,
        row.kernel_name,
        _joined(row.grid),
        _joined(row.block),
        "" if row.device is None else row.device,
        row.instances,
        row.total_ns,
        row.median_ns,
        row.min_ns,
        row.max_ns,
        row.stddev_ns,
    )


def _from_row(row: Mapping[str, str]) -> KernelTime:
    kernel = KernelTime(
        range=row["range"],
        kernel_name=row["kernel_name"],
        grid=_triple(row["grid"]),
        block=_triple(row["block"]),
        device=int(row["device"]) if row["device"] else None,
        instances=int(row["instances"]),
        total_ns=int(row["total_ns"]),
        median_ns=float(row["median_ns"]),
        min_ns=int(row["min_ns"]),
        max_ns=int(row["max_ns"]),
        stddev_ns=float(row["stddev_ns"]),
    )
    if kernel.instances < 1:
        raise ValueError(f"instances is {kernel.instances}")
    return kernel


def _check_columns(columns: list[str], name: str) -> None:
    if tuple(columns) != COLUMNS:
        raise ProfileError(
            f"{name}, line 1: its columns are not those of a timeline.csv that this "
            "dsprof reads. Read it with the dsprof that wrote it."
        )


def _joined(sizes: tuple[int, int, int] | None) -> str:
    return "" if sizes is None else "x".join(map(str, sizes))


def _triple(cell: str) -> tuple[int, int, int] | None:
    if not cell:
        return None
    x, y, z = (int(part) for part in cell.split("x"))
    return x, y, z
