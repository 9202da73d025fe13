"""Classes and counters as tables: counts, means, the longest, every point."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.classify import BoundClass
from dsprof.analysis.counter_columns import CLASS_MEANS
from dsprof.analysis.numerals import MISSING, significant
from dsprof.analysis.report.markdown import Cell, Code, Table, without_empty_columns
from dsprof.analysis.shown_rows import (
    cache_states,
    judged_rows,
    op_title,
    size_title,
    state_title,
)

if TYPE_CHECKING:
    import pandas as pd

SHOWN_LONGEST = 10
MOST_ROWS = 300  # of a table; the longest are shown where there are more
OVERALL = "overall"


def class_table(frame: "pd.DataFrame") -> Table:
    """How many rows of each cache state have which class."""
    states = cache_states(frame)
    classes = {state: frame[frame["cache"] == state]["class"] for state in states}
    rows: list[list[Cell]] = []
    for name in BoundClass:
        cells: list[Cell] = [str(name)]
        for found in classes.values():
            count = int((found == name).sum())
            cells += [f"{count:,}", significant(100 * count / len(found))]
        rows.append(cells)
    headings = [
        heading
        for state in states
        for heading in (f">{state_title(state)}", ">% of these rows")
    ]
    return Table(headings=("Class", *headings), rows=rows)


def opinion_table(frame: "pd.DataFrame") -> Table:
    """Rows by class and by the class that NVIDIA's own rule gives."""
    judged = judged_rows(frame)
    counts = Counter(zip(judged["class"], judged["nvidia_class"], strict=True))
    theirs = list(dict.fromkeys(judged["nvidia_class"]))
    return Table(
        headings=("Class", *(f">{name or 'not given'}" for name in theirs)),
        rows=[
            [
                str(name),
                *(f"{counts[name.value, one]:,}" for one in theirs),
            ]
            for name in BoundClass
            if (judged["class"] == name).any()
        ],
    )


def mean_table(frame: "pd.DataFrame", state: str) -> Table:
    """Unweighted means of a cache state's rows, a column a class."""
    rows = frame[frame["cache"] == state]
    groups = {
        str(name): rows[rows["class"] == name]
        for name in BoundClass
        if (rows["class"] == name).any()
    } | {OVERALL: rows}
    body: list[list[Cell]] = [
        [
            f"{counter.title} ({counter.unit})",
            *(significant(_mean(group[counter.column])) for group in groups.values()),
        ]
        for counter in CLASS_MEANS
    ]
    if rows["graph_us"].notna().any():
        means = [_mean(group["graph_us"]) for group in groups.values()]
        body.append(["Graph time (us)", *map(significant, means)])
    body.append(["Rows", *(f"{len(group):,}" for group in groups.values())])
    names = [f">{name.capitalize()}" for name in groups]
    return Table(headings=("Mean of", *names), rows=body)


def _mean(values: "pd.Series[float]") -> float:
    known = values.dropna()
    return float(known.mean()) if len(known) else math.nan


def by_size_table(frame: "pd.DataFrame") -> Table:
    """One row an op, one column a size: the class, what limits it, and flags."""
    rows = judged_rows(frame)
    rows = rows[rows["phase"] != ""]
    sizes = list(dict.fromkeys(size_title(row) for _, row in rows.iterrows()))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for _, row in rows.iterrows():
        key = (str(row["kernel"]), op_title(row))
        cells.setdefault(key, {})[size_title(row)] = _class_words(row)
    return Table(
        headings=("Kernel", "Op", *sizes),
        rows=[
            [Code(kernel), Code(op), *(found.get(size, MISSING) for size in sizes)]
            for (kernel, op), found in cells.items()
        ],
    )


def _class_words(row: "pd.Series") -> str:
    limiter = f" ({row['limiter']})" if row["limiter"] else ""
    return f"{row['class']}{limiter}"


def longest_table(frame: "pd.DataFrame") -> Table:
    """The rows with the longest time under ncu, longest first."""
    rows = judged_rows(frame).nlargest(SHOWN_LONGEST, "duration_us")
    made = Table(
        headings=(
            *(">Under ncu (us)", ">Graph time (us)", "Class", "Limiter"),
            *("Kernel", "Op", "Size"),
        ),
        rows=[
            [
                significant(row["duration_us"]),
                significant(row["graph_us"]),
                row["class"],
                row["limiter"] or MISSING,
                *names(row),
                size_title(row) or MISSING,
            ]
            for _, row in rows.iterrows()
        ],
    )
    return without_empty_columns(made, empty=MISSING)


def names(row: "pd.Series") -> tuple[Cell, Cell]:
    """Kernel and op; a launch outside a point has no op."""
    return Code(row["kernel"]), Code(op_title(row)) if row["op"] else MISSING


def point_tables(frame: "pd.DataFrame") -> dict[str, Table]:
    """Every row with its class, a table a size of the workload."""
    titles = [size_title(row) for _, row in frame.iterrows()]
    if not titles:
        return {}
    groups = frame.groupby(titles, sort=False)
    return {str(title): _point_table(longest_first(rows)) for title, rows in groups}


def longest_first(rows: "pd.DataFrame") -> "pd.DataFrame":
    """All rows, or the longest in their order where a table would be too long."""
    if len(rows) <= MOST_ROWS:
        return rows
    return rows.nlargest(MOST_ROWS, "duration_us")


def _point_table(rows: "pd.DataFrame") -> Table:
    made = Table(
        headings=(
            *("Kernel", "Op", "L2", ">SM (%)", ">Tensor (%)", ">Memory (%)"),
            *(">DRAM (%)", ">AI", ">Ridge", "Class", "Limiter", ">Margin (%)"),
            *("NVIDIA's class", "Flags"),
        ),
        rows=[
            [
                *names(row),
                row["cache"] or MISSING,
                significant(row["sm_pct"]),
                significant(row["tensor_pipe_pct"]),
                significant(row["memory_pct"]),
                significant(row["dram_pct"]),
                significant(_intensity(row)),
                significant(row["ridge_flop_per_byte"]),
                row["class"],
                row["limiter"] or MISSING,
                _margin(row["margin"]),
                row["nvidia_class"] or MISSING,
                ", ".join(_flags(row)),
            ]
            for _, row in rows.iterrows()
        ],
    )
    return without_empty_columns(made, empty=MISSING)


def _intensity(row: "pd.Series") -> float:
    """The analytic intensity, or else the counted one."""
    analytic = float(row["intensity_analytic"])
    return float(row["intensity_dram"]) if math.isnan(analytic) else analytic


def _margin(margin: float) -> str:
    return "none" if math.isinf(margin) else significant(100 * margin)


def _flags(row: "pd.Series") -> Sequence[str]:
    found = {
        "conflict": row["conflict"],
        "latency": row["latency"],
        "low confidence": row["confidence"] == "low",
        str(row["basis"]): row["basis"] not in {"", "counters"},
    }
    return [name for name, holds in found.items() if holds]
