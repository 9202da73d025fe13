"""What a capture found, for a terminal: one line a point and cache state."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal

from dsprof.analysis.merged_frame import merged_frame
from dsprof.harness.profile import Profile
from dsprof.harness.records import Phase

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

MOST_ROWS = 60  # more are counted by class; the report has them all
WIDE_COLUMNS = 150  # of a terminal; a narrower one shows less
NARROW = {"call", "size", "cache", "class", "graph_us", "sm_pct", "memory_pct"}
SHOWN = (
    # column, heading, format
    ("call", "kernel, op", "{}"),
    ("size", "size", "{}"),
    ("cache", "L2", "{}"),
    ("class", "class", "{}"),
    ("limiter", "limiter", "{}"),
    ("graph_us", "graph us", "{:.1f}"),
    ("duration_us", "ncu us", "{:.1f}"),
    ("sm_pct", "SM %", "{:.0f}"),
    ("memory_pct", "mem %", "{:.0f}"),
    ("dram_pct", "DRAM %", "{:.0f}"),
    ("l2_hit_pct", "L2 hit %", "{:.0f}"),
    ("achieved_occupancy_pct", "occ. %", "{:.0f}"),
    ("traffic_amplification", "DRAM / compulsory", "{:.2f}"),
    ("flop_inflation", "FLOP / analytic", "{:.2f}"),
)


def capture_table(profile: Profile, labels: Collection[str], width: int) -> "Table":
    """The points with these labels, or how many are of each class if they are many.

    ``width`` is what the terminal has room for.

    Percentages are of the peak at the clock that ncu saw, over elapsed time.
    """
    from rich.table import Table

    frame = _rows(profile, labels)
    if len(frame) > MOST_ROWS:
        return _by_class(frame)
    table = Table(box=None, header_style="bold", pad_edge=False)
    shown = [s for s in SHOWN if width >= WIDE_COLUMNS or s[0] in NARROW]
    for column, heading, form in shown:
        justify: Literal["left", "right"] = "left" if form == "{}" else "right"
        table.add_column(heading, justify=justify, overflow="fold")
        frame[column] = [_cell(value, form) for value in frame[column]]
    for row in frame[[column for column, _, _ in shown]].itertuples(index=False):
        table.add_row(*row)
    return table


def capture_json(profile: Profile, labels: Collection[str]) -> list[dict[Any, Any]]:
    """The merged rows of these points; None where nothing was counted."""
    frame = _rows(profile, labels).astype(object)
    rows: list[dict[Any, Any]] = frame.where(frame.notna(), None).to_dict("records")
    return rows


def _rows(profile: Profile, labels: Collection[str]) -> "pd.DataFrame":
    frame = merged_frame(profile)
    frame = frame[frame["name"].isin(set(labels))].copy()
    frame["call"] = frame["kernel"] + " " + frame["op"]
    frame["size"] = [_size(row) for row in frame.to_dict("records")]
    return frame


def _size(row: dict[Any, Any]) -> str:
    """For example ``decode B=128, kv 4096`` or ``prefill B=1 S=1024``."""
    import pandas as pd

    size = f"{row['phase']} B={row['batch_size']}"
    if row["phase"] == Phase.PREFILL:
        size = f"{size} S={row['seq_len']}"
    return size if pd.isna(row["kv_len"]) else f"{size}, kv {row['kv_len']}"


def _by_class(frame: "pd.DataFrame") -> "Table":
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("class")
    for cache in frame["cache"].unique():
        table.add_column(f"points, {cache} L2", justify="right")
    for name in frame["class"].unique():
        of_class = frame[frame["class"] == name]["cache"]
        table.add_row(
            name, *(str((of_class == cache).sum()) for cache in frame["cache"].unique())
        )
    return table


def _cell(value: object, form: str) -> str:
    import pandas as pd

    return "-" if pd.isna(value) else form.format(value)  # type: ignore[call-overload]
