"""A timeline's kernels as a frame, and what their times add up to."""

from typing import TYPE_CHECKING

from dsprof.analysis.names import name_kernel
from dsprof.harness.errors import UsageError
from dsprof.harness.timeline import WHOLE, RangeTime, Timeline

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("kernel_name", "library", "friendly", "description", "family"),
    *("share_pct", "cumulative_pct", "total_ns", "instances"),
    *("mean_ns", "median_ns", "min_ns", "max_ns", "stddev_ns", "configurations"),
)
SHARE_COLUMNS = ("share_pct", "total_ns", "instances", "kernels")
_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns"))


def kernels_frame(timeline: Timeline, range_name: str | None = None) -> "pd.DataFrame":
    """One row a kernel name of a range, the longest total first, from row 0.

    ``share_pct`` is of the range's kernel time, ``cumulative_pct`` the share of this
    row and all before it. ``range_name`` is the timeline's first range if not given.
    """
    import pandas as pd

    name = timeline.range if range_name is None else range_name
    range_time(timeline, name)
    kernels = timeline.kernel_rows(name)
    total_ns = sum(kernel.total_ns for kernel in kernels)
    reached_ns = 0
    rows = []
    for kernel in kernels:
        named = name_kernel(kernel.kernel_name)
        reached_ns += kernel.total_ns
        rows.append(
            {
                "kernel_name": kernel.kernel_name,
                "library": named.library,
                "friendly": named.friendly,
                "description": named.description,
                "family": str(named.family),
                "share_pct": _percent(kernel.total_ns, total_ns),
                "cumulative_pct": _percent(reached_ns, total_ns),
                "total_ns": kernel.total_ns,
                "instances": kernel.instances,
                "mean_ns": kernel.mean_ns,
                "median_ns": kernel.median_ns,
                "min_ns": kernel.min_ns,
                "max_ns": kernel.max_ns,
                "stddev_ns": kernel.stddev_ns,
            }
        )
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    counts = pd.Series(
        [row.kernel_name for row in timeline.kernels if row.range == name and row.grid]
    ).value_counts()
    frame["configurations"] = frame["kernel_name"].map(counts).fillna(0).astype(int)
    return frame


def family_shares(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Time by family of kernel: one row a family, the longest first."""
    return _shares(frame, "family")


def library_shares(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Time by library: one row a library, the longest first."""
    return _shares(frame, "library")


def coverage_pct(frame: "pd.DataFrame", top: int) -> float:
    """Share of the range's kernel time that its ``top`` longest kernels take."""
    return float(frame["share_pct"].head(top).sum())


def range_time(timeline: Timeline, name: str) -> RangeTime:
    """The times of a range; a UsageError names those that the timeline has."""
    time = timeline.range_time(name)
    if time is None:
        known = ", ".join(f"'{known.name}'" for known in timeline.ranges if known.name)
        raise UsageError(
            f"The timeline has no range '{name}'. It has: {known or 'none'}. Read the "
            "recording again with --range for others."
        )
    return time


def reconcile(timeline: Timeline, range_name: str | None = None) -> str:
    """A line that says how a range's wall time comes about, all in one unit.

    Kernels and copies may overlap, so their sum may exceed the busy time; busy time
    and gaps are the wall time.
    """
    time = range_time(timeline, timeline.range if range_name is None else range_name)
    size, unit = next(
        ((size, unit) for size, unit in _UNITS if time.wall_ns >= size), _UNITS[-1]
    )

    def shown(value_ns: int) -> str:
        return f"{value_ns / size:.3f} {unit}" if size > 1 else f"{value_ns} {unit}"

    work = [f"kernels {shown(time.kernel_ns)}", f"copies {shown(time.copy_ns)}"]
    if time.graph_ns:
        work.append(f"graphs recorded whole {shown(time.graph_ns)}")
    parts = [
        " + ".join(work),
        f"busy (union) {shown(time.busy_ns)}",
        f"gaps {shown(time.gap_ns)}",
        f"wall {shown(time.wall_ns)}",
        *(f"GPU {part.device} busy {shown(part.busy_ns)}" for part in time.devices),
    ]
    return "; ".join(parts)


def share_of_recording_pct(timeline: Timeline, range_name: str | None = None) -> float:
    """Share of the whole recording's kernel time that a range has."""
    name = timeline.range if range_name is None else range_name
    part = range_time(timeline, name).kernel_ns
    return _percent(part, range_time(timeline, WHOLE).kernel_ns)


def _shares(frame: "pd.DataFrame", by: str) -> "pd.DataFrame":
    grouped = frame.groupby(by, sort=True, as_index=False).agg(
        share_pct=("share_pct", "sum"),
        total_ns=("total_ns", "sum"),
        instances=("instances", "sum"),
        kernels=("kernel_name", "count"),
    )
    ordered = grouped.sort_values("total_ns", ascending=False, kind="stable")
    return ordered[[by, *SHARE_COLUMNS]].reset_index(drop=True)


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
