"""Sentences about a model's timeline: which kernels take the time, and what idles.

A sentence is there only where the data reach its threshold, and cites the ranks of
the kernels that it is about. Shares are of the range's kernel time.
"""

from typing import TYPE_CHECKING

from dsprof.analysis.classify import DEFAULT_THRESHOLDS
from dsprof.analysis.findings import Finding
from dsprof.analysis.model_kernels import ModelKernels
from dsprof.analysis.names import UNKNOWN_LIBRARY, Family
from dsprof.analysis.numerals import plural, significant
from dsprof.analysis.timeline_frame import family_shares

if TYPE_CHECKING:
    import pandas as pd

DOMINANT_PCT = 25  # of the kernel time: from here on a family dominates
NOTABLE_PCT = 3  # below it nothing is said of a family
MOST_OF_TIME_PCT = 90
SHORT_PCT = 25  # of the launches
GAP_PCT = 5  # of the wall time, or of busy time
SHOWN_RANKS = 8
# Kernels whose inputs another kernel wrote a moment before: a fused one reads them
# from registers.
FUSABLE = (
    Family.ELEMENTWISE,
    Family.ACTIVATION,
    Family.COPY_CAST,
    Family.CONCAT,
    Family.REDUCTION,
    Family.NORMALISATION,
)


def finding(title: str, detail: str, rows: "pd.DataFrame | None" = None) -> Finding:
    """A finding that cites the ranks of these rows of ``ModelKernels.top``."""
    ranks = [] if rows is None else [f"#{rank}" for rank in sorted(rows["rank"])]
    return Finding(
        title=title,
        detail=detail,
        rows=tuple(ranks[:SHOWN_RANKS]),
        row_count=len(ranks),
    )


def percent(value: float) -> str:
    return f"{significant(value)} %"


def share(rows: "pd.DataFrame") -> float:
    """Of the kernel time, of these rows of ``ModelKernels.top``."""
    return float(rows["share_pct"].sum())


def counted_share(model: ModelKernels) -> float:
    """Of the kernel time, of the profiled configurations."""
    top = model.counted
    return float((top["share_pct"] * top["covered_pct"]).sum() / 100)


def coverage_line(model: ModelKernels) -> str:
    """How much of the time the table has, and how much of it has counters."""
    top, counted = model.top, model.counted
    line = f"The top {len(top)} = {percent(share(top))} of the GPU's kernel time in "
    line += f"range '{model.range}'" if model.range else "the recording"
    if not len(counted):
        return f"{line}."
    return (
        f"{line}. {len(counted)} of these {len(top)} have counters, of launch "
        f"configurations that take {percent(counted_share(model))} of all kernel time "
        f"and at least {percent(counted['covered_pct'].min())} of each kernel's own."
    )


def time_weighted(rows: "pd.DataFrame", column: str) -> float:
    """Mean over kernels, weighted by their share of the time; NaN of nothing."""
    known = rows[rows[column].notna()]
    weight = known["share_pct"].sum()
    if not weight:
        return float("nan")
    return float((known[column] * known["share_pct"]).sum() / weight)


def time_findings(model: ModelKernels) -> list[Finding]:
    """What the timeline alone shows: families, concentration, gaps, short launches."""
    if not len(model.kernels):
        return []
    return [
        *_families(model),
        *_moved_data(model),
        *_concentration(model),
        *_short_launches(model),
        *_copies(model),
        *gap_findings(model),
        *_unknown_names(model),
    ]


def family_title(family: object) -> str:
    """For example ``Copy/cast``, ``GEMV``."""
    name = str(family)
    return name[0].upper() + name[1:]


def _families(model: ModelKernels) -> list[Finding]:
    found = []
    for _, row in family_shares(model.kernels).iterrows():
        if row["share_pct"] < NOTABLE_PCT or row["family"] == Family.OTHER:
            continue
        name = family_title(row["family"])
        dominates = row["share_pct"] >= DOMINANT_PCT
        mean_us = row["total_ns"] / row["instances"] / 1000
        found.append(
            finding(
                f"{name} dominates" if dominates else name,
                f"{percent(row['share_pct'])} of the kernel time, "
                f"{plural(row['kernels'], 'kernel')}, {row['instances']:,} launches of "
                f"{significant(mean_us)} us on average",
                model.top[model.top["family"] == row["family"]],
            )
        )
    return found


def _moved_data(model: ModelKernels) -> list[Finding]:
    """Copies, casts and concatenations, which compute nothing."""
    moves = [Family.COPY_CAST, Family.CONCAT]
    part = family_shares(model.kernels)
    part = part[part["family"].isin(moves)]
    total_pct = float(part["share_pct"].sum())
    if total_pct < NOTABLE_PCT or len(part) < len(moves):
        return []
    return [
        finding(
            "Kernels that only move data",
            f"copies, casts and concatenations together take {percent(total_pct)} of "
            f"the kernel time in {int(part['instances'].sum()):,} launches",
            model.top[model.top["family"].isin(moves)],
        )
    ]


def _concentration(model: ModelKernels) -> list[Finding]:
    kernels = model.kernels
    needed = int((kernels["cumulative_pct"] < MOST_OF_TIME_PCT).sum()) + 1
    if needed >= len(kernels):
        return []
    reached = kernels["cumulative_pct"].iloc[needed - 1]
    return [
        finding(
            "Concentration",
            f"{plural(needed, 'kernel')} by name, of {len(kernels)}, make up "
            f"{percent(reached)} of the kernel time",
        )
    ]


def copies_pct(model: ModelKernels) -> float:
    """Time of copies and fills, of the time in which a GPU worked."""
    time = model.time
    return 100 * time.copy_ns / time.busy_ns if time.busy_ns else 0.0


def _copies(model: ModelKernels) -> list[Finding]:
    if copies_pct(model) < GAP_PCT:
        return []
    return [
        finding(
            "Copies and fills between kernels",
            f"{significant(model.time.copy_ns / 1e6)} ms of memcpy and memset, "
            f"{percent(copies_pct(model))} of the time in which a GPU worked",
        )
    ]


def _short_launches(model: ModelKernels) -> list[Finding]:
    kernels = model.kernels
    limit_us = DEFAULT_THRESHOLDS.latency_us
    short = kernels[kernels["mean_ns"] < 1000 * limit_us]
    launches = kernels["instances"].sum()
    share_pct = 100 * short["instances"].sum() / launches
    if share_pct < SHORT_PCT:
        return []
    top = model.top
    return [
        finding(
            "Short launches",
            f"{percent(share_pct)} of {launches:,} launches are of kernels that take "
            f"less than {limit_us:g} us on average; they take "
            f"{percent(short['share_pct'].sum())} of the kernel time",
            top[top["mean_us"] < limit_us],
        )
    ]


def idle_pct(model: ModelKernels) -> float:
    """Of the wall time, in which no GPU worked."""
    time = model.time
    return 100 * time.gap_ns / time.wall_ns if time.wall_ns else 0.0


def gap_findings(model: ModelKernels) -> list[Finding]:
    """Idle time of the GPU, where it is worth a word."""
    idle = idle_pct(model)
    if idle < GAP_PCT:
        return []
    time = model.time
    per_launch_us = time.gap_ns / max(time.kernels, 1) / 1000
    mode = f" ({model.timeline.mode})" if model.timeline.mode else ""
    return [
        finding(
            "Idle GPU",
            f"no kernel or copy ran in {percent(idle)} of the wall time{mode}: "
            f"{significant(time.gap_ns / 1e6)} ms, {significant(per_launch_us)} us a "
            "launch, the recording's own cost included",
        )
    ]


def _unknown_names(model: ModelKernels) -> list[Finding]:
    unknown = model.kernels[model.kernels["library"] == UNKNOWN_LIBRARY]
    if not len(unknown):
        return []
    top = model.top
    return [
        finding(
            "Kernels of no known library",
            f"{plural(len(unknown), 'name')}, {percent(unknown['share_pct'].sum())} of "
            "the kernel time",
            top[top["library"] == UNKNOWN_LIBRARY],
        )
    ]
