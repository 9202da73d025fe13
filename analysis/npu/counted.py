"""The counters of a layer's calls, weighted by the time that each call takes."""

import math
from typing import TYPE_CHECKING

from dsprof.analysis.counter_findings import time_column
from dsprof.analysis.npu.layers import NpuData, SizedLayer
from dsprof.analysis.shown_rows import judged_rows, shown_rows, state_words

if TYPE_CHECKING:
    import pandas as pd

WEIGHT = "weight_s"  # seconds of a layer that a row stands for


def counted_calls(data: NpuData, layer: SizedLayer) -> "pd.DataFrame":
    """Merged rows of the layer's calls in its cache state, with WEIGHT."""
    times = {call.label: call.time_s for call in layer.calls}
    frame = data.merged
    rows = frame[(frame["cache"] == data.cache) & frame["name"].isin(times)].copy()
    rows[WEIGHT] = rows["name"].map(times).astype("float64")
    return rows


def all_counted(data: NpuData) -> "pd.DataFrame":
    """Every merged row of one cache state, with its own time as WEIGHT."""
    rows = judged_rows(shown_rows(data.merged)).copy()
    rows[WEIGHT] = time_column(rows) * 1e-6
    return rows


def counted_parts(data: NpuData) -> "list[tuple[str, pd.DataFrame]]":
    """Titled rows: of each layer that has any, or else all the rows there are."""
    parts = [
        (layer.title, rows)
        for layer in data.layers
        if len(rows := counted_calls(data, layer))
    ]
    if parts or not len(data.merged):
        return parts
    rows = all_counted(data)
    return [(f"All rows, {state_words(str(rows['cache'].iloc[0]))}", rows)]


def weighted_mean(rows: "pd.DataFrame", column: str) -> float:
    """Mean of a column over the rows that have it, by time; NaN if none has."""
    known = rows.dropna(subset=[column, WEIGHT])
    total = float(known[WEIGHT].sum())
    if not total:
        return math.nan
    return float((known[column] * known[WEIGHT]).sum()) / total


def labels_by_weight(rows: "pd.DataFrame") -> list[str]:
    """The rows' names, the most time first."""
    return list(rows.sort_values(WEIGHT, ascending=False, kind="stable")["name"])
