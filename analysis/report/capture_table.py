"""What a capture found, for a terminal: one line a point and cache state."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from dsprof.analysis.merged_frame import merged_frame
from dsprof.harness.profile import Profile

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

MOST_ROWS = 60  # more are counted by class; the report has them all
SHOWN = (
    # column, heading, format
    ("kernel", "kernel", "{}"),
    ("op", "op", "{}"),
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


def capture_table(profile: Profile, labels: Collection[str]) -> "Table":
    """The points with these labels, or how many are of each class if they are many.

    Percentages are of the peak at the clock that ncu saw, over elapsed time.
    """
    from rich.table import Table

    frame = _rows(profile, labels)
    if len(frame) > MOST_ROWS:
        return _by_class(frame)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column, heading, form in SHOWN:
        justify = "left" if form == "{}" else "right"
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
        frame[column] = [_cell(value, form) for value in frame[column]]
    for row in frame[[column for column, _, _ in SHOWN]].itertuples(index=False):
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
    frame["size"] = [_size(row) for row in frame.to_dict("records")]
    return frame


def _size(row: dict[Any, Any]) -> str:
    size = f"{row['phase']} B={row['batch_size']:.0f} S={row['seq_len']:.0f}"
    kv_len = row["kv_len"]
    return size if kv_len is None or kv_len != kv_len else f"{size} kv={kv_len:.0f}"  # noqa: PLR0124 -- NaN


def _by_class(frame: "pd.DataFrame") -> "Table":
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("class")
    for cache in frame["cache"].unique():
        table.add_column(f"points, {cache} L2", justify="right")
    counts = frame.groupby(["class", "cache"], sort=False).size().unstack(fill_value=0)
    for name, row in counts.iterrows():
        table.add_row(str(name), *(str(row[c]) for c in frame["cache"].unique()))
    return table


def _cell(value: object, form: str) -> str:
    if value is None or value != value:  # noqa: PLR0124 -- NaN
        return "-"
    return form.format(value)
