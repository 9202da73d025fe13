"""Sentences about what ncu counted of a model's kernels: class, use, roofs.

Means are weighted by the kernels' time, or over kernels where they say so.
"""

from typing import TYPE_CHECKING

from dsprof.analysis.classify import DEFAULT_THRESHOLDS, BoundClass
from dsprof.analysis.counter_columns import (
    ACHIEVED,
    DRAM,
    L1_HIT,
    L2_HIT,
    MEMORY,
    SM,
    TENSOR,
    ShownCounter,
)
from dsprof.analysis.findings import Finding
from dsprof.analysis.model_findings import finding, percent, share, time_weighted
from dsprof.analysis.model_kernels import ModelKernels
from dsprof.analysis.numerals import plural, significant
from dsprof.harness.records import Cache

if TYPE_CHECKING:
    import pandas as pd

MOST_PCT = 50  # of the kernel time of counted kernels: "mostly"
HALF = 0.5
SHOWN_HEADROOM = 3
UTILISATION = (SM, TENSOR, MEMORY, DRAM, ACHIEVED, L1_HIT, L2_HIT)


def class_findings(model: ModelKernels) -> list[Finding]:
    """Classes and limiters by time, and how sure they are."""
    rows = model.counted
    if not len(rows):
        return []
    found = [_class_shares(rows)]
    balanced = rows[rows["class"] == BoundClass.BALANCED]
    if len(balanced):
        idle = int((balanced["limiter"] == "latency").sum())
        conflict = int(balanced["conflict"].sum())
        near = len(balanced) - idle - conflict
        found.append(
            finding(
                "Why balanced",
                f"{idle} below {DEFAULT_THRESHOLDS.floor:g} % on both sides, {near} "
                f"with both sides near parity, {conflict} in conflict",
                balanced,
            )
        )
    by_limiter = rows.groupby("limiter")["share_pct"].sum().sort_values()[::-1]
    words = ", ".join(
        f"{str(name) or 'unknown'} {percent(part)}" for name, part in by_limiter.items()
    )
    found.append(finding("Limiters, by kernel time", words))
    low = rows[rows["confidence"] == "low"]
    if len(low):
        detail = f"{plural(len(low), 'kernel')}, {percent(share(low))} of the time"
        found.append(finding("Classes of low confidence", detail, low))
    return found


def _class_shares(rows: "pd.DataFrame") -> Finding:
    shares = {name: share(rows[rows["class"] == name]) for name in BoundClass}
    words = ", ".join(f"{n} {percent(part)}" for n, part in shares.items() if part)
    longest = max(shares, key=shares.__getitem__)
    mostly = shares[longest] >= MOST_PCT / 100 * share(rows)
    return finding(
        f"Mostly {longest}" if mostly else "No class takes half of the time",
        f"of the kernel time: {words}",
        rows[rows["class"] == longest],
    )


def utilisation_findings(model: ModelKernels) -> list[Finding]:
    """One sentence a counter, and kernels that leave most of the GPU unused."""
    rows = model.counted
    found = [_spread(rows, counter) for counter in UTILISATION]
    return [
        *(one for one in found if one is not None),
        *_idle_kernels(rows),
        *_occupancy(rows),
        *_small_grids(rows),
    ]


def _spread(rows: "pd.DataFrame", counter: ShownCounter) -> Finding | None:
    known = rows[rows[counter.column].notna()]
    if not len(known):
        return None
    most, least = known.nlargest(1, counter.column), known.nsmallest(1, counter.column)
    column = counter.column
    return finding(
        counter.title,
        f"{significant(time_weighted(known, column))} weighted by time, "
        f"{significant(known[column].mean())} over kernels ({counter.unit}); from "
        f"{significant(least[column].iloc[0])} (#{least['rank'].iloc[0]}) to "
        f"{significant(most[column].iloc[0])} (#{most['rank'].iloc[0]})",
    )


def _idle_kernels(rows: "pd.DataFrame") -> list[Finding]:
    idle = rows[rows["limiter"] == "latency"]
    if not len(idle):
        return []
    return [
        finding(
            "No unit busy",
            f"{plural(len(idle), 'kernel')}, {percent(share(idle))} of the kernel "
            f"time, below {DEFAULT_THRESHOLDS.floor:g} % on both sides",
            idle,
        )
    ]


def _occupancy(rows: "pd.DataFrame") -> list[Finding]:
    achieved, possible = rows[ACHIEVED.column], rows["theoretical_occupancy_pct"]
    low = rows[achieved < HALF * possible]
    if not len(low):
        return []
    return [
        finding(
            "Less than half of the possible occupancy",
            f"{plural(len(low), 'kernel')}, {percent(share(low))} of the kernel time",
            low,
        )
    ]


def _small_grids(rows: "pd.DataFrame") -> list[Finding]:
    small = rows[rows["waves_per_sm"] < 1]
    if not len(small):
        return []
    return [
        finding(
            "Less than one wave of blocks",
            f"{plural(len(small), 'kernel')}, {percent(share(small))} of the kernel "
            "time",
            small,
        )
    ]


def duration_findings(model: ModelKernels) -> list[Finding]:
    """Which kernels have the longest single launches."""
    rows = model.counted.dropna(subset=["duration_us"])
    if not len(rows):
        return []
    first = rows.nlargest(1, "duration_us").iloc[0]
    ratio = rows["duration_us"].max() / rows["duration_us"].median()
    ncu_over_program = rows["duration_us"] / rows["kernel_us"]
    return [
        finding(
            "Longest launch",
            f"#{first['rank']} {first['friendly']}, {first['class']}: "
            f"{significant(first['duration_us'])} us under ncu, {significant(ratio)} "
            f"times the median of these {len(rows)} kernels",
        ),
        finding(
            "Time under ncu over time in the program",
            f"median {significant(ncu_over_program.median())}, from "
            f"{significant(ncu_over_program.min())} to "
            f"{significant(ncu_over_program.max())}",
        ),
    ]


def roof_findings(model: ModelKernels) -> list[Finding]:
    """How far from the rated roofs the counted kernels are."""
    rows = model.counted.dropna(subset=["spec_roof_us"])
    if not len(rows):
        return []
    best = rows.nlargest(1, "spec_roof_pct").iloc[0]
    worst = rows.nsmallest(1, "spec_roof_pct").iloc[0]
    below = rows[rows["spec_roof_pct"] < 100 * HALF]
    most = rows.nlargest(SHOWN_HEADROOM, "headroom_pct")
    found = [
        finding(
            "Headroom in all",
            f"{percent(rows['headroom_pct'].sum())} of the kernel time would go if "
            f"these {len(rows)} kernels ran at their rated roofs",
        ),
        finding(
            "Most headroom",
            ", ".join(
                f"#{row['rank']} {row['friendly']} {percent(row['headroom_pct'])}"
                for _, row in most.iterrows()
            ),
        ),
        finding(
            "Nearest to its roof and farthest",
            f"#{best['rank']} runs at {percent(best['spec_roof_pct'])} of its rated "
            f"roof ({best['spec_roof_by']}), #{worst['rank']} at "
            f"{percent(worst['spec_roof_pct'])}",
        ),
        finding(
            "Below half of their roof",
            f"{len(below)} of {plural(len(rows), 'kernel')}, {percent(share(below))} "
            "of the kernel time",
            below,
        ),
    ]
    above = rows[rows["spec_roof_pct"] > 100]  # noqa: PLR2004 -- percent
    if len(above):
        cold = (above["cache"] == Cache.COLD.value).all()
        why = ": ncu began with a cold L2, the program with data in it" if cold else ""
        found.append(
            finding(
                "Above the rated roof",
                f"{plural(len(above), 'kernel')}, {percent(share(above))} of the "
                f"kernel time{why}",
                above,
            )
        )
    return found
