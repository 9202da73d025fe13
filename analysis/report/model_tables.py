"""Tables of a model's page: kernels, shares, classes, means, headroom, names."""

import math
from typing import TYPE_CHECKING

from dsprof.analysis.classify import BoundClass
from dsprof.analysis.counter_columns import CLASS_MEANS
from dsprof.analysis.model_findings import share, time_weighted
from dsprof.analysis.model_kernels import ModelKernels
from dsprof.analysis.numerals import MISSING, significant
from dsprof.analysis.report.markdown import Cell, Code, Table, without_empty_columns
from dsprof.analysis.timeline_frame import family_shares, library_shares

if TYPE_CHECKING:
    import pandas as pd

SHOWN_LONGEST = 10


def kernel_table(model: ModelKernels) -> Table:
    """The longest kernels by time."""
    made = Table(
        headings=(
            *(">#", ">Time (%)", "Library", "Kernel", "What it does", ">Launches"),
            *(">Total (ms)", ">Mean (us)", ">Median", ">Min", ">Max", ">Sizes"),
        ),
        rows=[
            [
                str(row["rank"]),
                significant(row["share_pct"]),
                row["library"],
                row["friendly"],
                row["description"],
                f"{row['instances']:,}",
                significant(row["total_ns"] / 1e6),
                *(
                    significant(row[f"{name}_us"])
                    for name in ("mean", "median", "min", "max")
                ),
                f"{row['configurations']}",
            ]
            for _, row in model.top.iterrows()
        ],
    )
    return without_empty_columns(made, empty=MISSING)


def share_tables(model: ModelKernels) -> dict[str, Table]:
    """Time by family and by library, over all kernels of the range."""
    return {
        heading: Table(
            headings=(heading, ">Time (%)", ">Total (ms)", ">Launches", ">Kernels"),
            rows=[
                (
                    str(row[heading.lower()]),
                    significant(row["share_pct"]),
                    significant(row["total_ns"] / 1e6),
                    f"{row['instances']:,}",
                    f"{row['kernels']}",
                )
                for _, row in shares.iterrows()
            ],
        )
        for heading, shares in (
            ("Family", family_shares(model.kernels)),
            ("Library", library_shares(model.kernels)),
        )
    }


def class_table(model: ModelKernels) -> Table:
    """How many counted kernels have which class, and their share of the time."""
    rows = model.counted
    body = []
    for name in BoundClass:
        of_class = rows[rows["class"] == name]
        body.append(
            (
                str(name),
                f"{len(of_class)}",
                significant(100 * len(of_class) / len(rows) if len(rows) else math.nan),
                significant(share(of_class)),
            )
        )
    return Table(
        headings=("Class", ">Kernels", ">% of counted", ">% of the kernel time"),
        rows=body,
    )


def verdict_table(model: ModelKernels) -> Table:
    """Each kernel's class with what decided it, or why it has no counters."""
    made = Table(
        headings=(
            *(">#", "Kernel", "Class", ">SM (%)", ">Tensor (%)", ">Memory (%)"),
            *(">DRAM (%)", ">FLOP/byte", ">Ridge", ">Covered (%)", "Flags"),
            "No counters because",
        ),
        rows=[
            [
                str(row["rank"]),
                row["friendly"],
                _class_words(row),
                *(
                    significant(row[name])
                    for name in (
                        *("sm_pct", "tensor_pipe_pct", "memory_pct", "dram_pct"),
                        *("intensity_dram", "ridge_flop_per_byte"),
                    )
                ),
                significant(row["covered_pct"]),
                ", ".join(_flags(row)),
                row["why_missing"],
            ]
            for _, row in model.top.iterrows()
        ],
    )
    return without_empty_columns(made, empty=MISSING)


def _class_words(row: "pd.Series") -> str:
    """For example ``memory-bound (dram)``; ``-`` of a kernel without counters."""
    if not row["class"]:
        return MISSING
    return f"{row['class']} ({row['limiter']})" if row["limiter"] else str(row["class"])


def _flags(row: "pd.Series") -> list[str]:
    found = {
        "conflict": row["conflict"],
        "latency": row["latency"],
        "low confidence": row["confidence"] == "low",
    }
    return [name for name, holds in found.items() if holds]


def mean_table(model: ModelKernels) -> Table:
    """Means over kernels a class, over all, and over all weighted by time."""
    rows = model.counted
    groups = {
        f"{str(name).capitalize()}": rows[rows["class"] == name]
        for name in BoundClass
        if (rows["class"] == name).any()
    } | {"Overall": rows}
    columns = [
        *((f"{one.title} ({one.unit})", one.column) for one in CLASS_MEANS),
        ("Time in the program (us a launch)", "kernel_us"),
    ]
    body: list[list[Cell]] = [
        [
            title,
            *(significant(_mean(group[column])) for group in groups.values()),
            significant(time_weighted(rows, column)),
        ]
        for title, column in columns
    ]
    body.append(["Kernels", *(f"{len(group)}" for group in groups.values()), MISSING])
    headings = (*(f">{name}" for name in groups), ">Overall, by time")
    return Table(headings=("Mean of", *headings), rows=body)


def _mean(values: "pd.Series[float]") -> float:
    known = values.dropna()
    return float(known.mean()) if len(known) else math.nan


def longest_table(model: ModelKernels) -> Table:
    """The counted kernels with the longest launches under ncu."""
    rows = model.counted.nlargest(SHOWN_LONGEST, "duration_us")
    return Table(
        headings=(
            *(">Under ncu (us)", ">In the program (us)", "Class", ">#", "Kernel"),
        ),
        rows=[
            [
                significant(row["duration_us"]),
                significant(row["kernel_us"]),
                _class_words(row),
                str(row["rank"]),
                row["friendly"],
            ]
            for _, row in rows.iterrows()
        ],
    )


def headroom_table(model: ModelKernels) -> Table:
    """Kernels by the time that would go at their roofs, the most first."""
    rows = model.counted.dropna(subset=["headroom_pct"])
    made = Table(
        headings=(
            *(">#", "Kernel", ">Headroom (% of time)", ">Time (%)", ">A launch (us)"),
            *(">At spec roof (us)", ">Of spec roof (%)", "Roof"),
            *(">Of burst roof (%)", ">Headroom, burst (%)", "Note"),
        ),
        rows=[
            [
                str(row["rank"]),
                row["friendly"],
                significant(row["headroom_pct"]),
                significant(row["share_pct"]),
                significant(row["kernel_us"]),
                significant(row["spec_roof_us"]),
                significant(row["spec_roof_pct"]),
                row["spec_roof_by"],
                significant(row["burst_roof_pct"]),
                significant(row["burst_headroom_pct"]),
                row["roof_note"],
            ]
            for _, row in rows.sort_values("headroom_pct", ascending=False).iterrows()
        ],
    )
    return without_empty_columns(made, empty=MISSING)


def name_table(model: ModelKernels) -> Table:
    """Rank, friendly name and library with the full name."""
    return Table(
        headings=(">#", ">Time (%)", "Friendly name", "Library", "Full name"),
        rows=[
            [
                str(row["rank"]),
                significant(row["share_pct"]),
                row["friendly"],
                row["library"],
                Code(row["kernel_name"]),
            ]
            for _, row in model.top.iterrows()
        ],
    )
