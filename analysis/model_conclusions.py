"""What follows from a model's kernels: conclusions and bottlenecks.

Each stands on a threshold named here, gives the number that reached it, and cites the
ranks of the kernels.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.classify import BoundClass
from dsprof.analysis.counter_columns import ACHIEVED, DRAM, L1_HIT, L2_HIT, MEMORY, SM
from dsprof.analysis.findings import Finding
from dsprof.analysis.limiter import Limiter
from dsprof.analysis.model_counter_findings import MOST_PCT
from dsprof.analysis.model_findings import (
    DOMINANT_PCT,
    FUSABLE,
    GAP_PCT,
    NOTABLE_PCT,
    copies_pct,
    counted_share,
    family_title,
    finding,
    idle_pct,
    percent,
    share,
    time_weighted,
)
from dsprof.analysis.model_kernels import ModelKernels
from dsprof.analysis.names import Family
from dsprof.analysis.numerals import scaled_bytes, significant
from dsprof.analysis.timeline_frame import family_shares
from dsprof.harness.records import Cache

if TYPE_CHECKING:
    import pandas as pd

WORTH_PCT = 10  # of the kernel or wall time: from here on a cause gets advice
LIMITS: Mapping[Limiter, tuple[str, str]] = {
    Limiter.DRAM: ("DRAM bandwidth", "moving bytes from and to DRAM"),
    Limiter.L2: ("L2 bandwidth", "moving bytes from and to L2"),
    Limiter.L1: ("L1 and shared memory", "moving bytes inside the SM"),
    Limiter.TENSOR: ("Tensor cores", "tensor arithmetic"),
    Limiter.FP: ("FP32 units", "arithmetic on the CUDA cores"),
    Limiter.ISSUE: ("Instruction issue", "instructions other than FP32 and tensor"),
    Limiter.LATENCY: ("Latency", "waiting: no unit is busy"),
}


def conclusions(model: ModelKernels) -> list[Finding]:
    """The summary of the page: coverage first, then what decides the time."""
    if not len(model.kernels):
        return []
    rows = model.counted
    found = [*_dominant_families(model)]
    if len(rows):
        found = [_coverage(model), *found, *_deciding_side(rows), *_utilisation(rows)]
        found += _hierarchy(rows)
        found += _attention(rows)
    return [*found, *_overhead(model)]


def _coverage(model: ModelKernels) -> Finding:
    rows = model.counted
    return finding(
        "Coverage",
        f"{len(rows)} of the top {len(model.top)} kernels have counters, of launch "
        f"configurations with {percent(counted_share(model))} of the kernel time",
    )


def _dominant_families(model: ModelKernels) -> Iterator[Finding]:
    for _, row in family_shares(model.kernels).iterrows():
        if row["share_pct"] >= DOMINANT_PCT and row["family"] != Family.OTHER:
            yield finding(
                f"{family_title(row['family'])} decides the time",
                f"{percent(row['share_pct'])} of the kernel time",
                model.top[model.top["family"] == row["family"]],
            )


def _deciding_side(rows: "pd.DataFrame") -> Iterator[Finding]:
    """Which resource most of the counted time waits for."""
    total = share(rows)
    words = {
        BoundClass.MEMORY: ("Memory decides", "fewer bytes help, more FLOP/s do not"),
        BoundClass.COMPUTE: ("Compute decides", "fewer or cheaper FLOP help"),
        BoundClass.BALANCED: (
            "Neither side decides",
            "neither peak bandwidth nor peak FLOP/s alone would help",
        ),
    }
    for name, (title, meaning) in words.items():
        part = rows[rows["class"] == name]
        if share(part) >= MOST_PCT / 100 * total:
            yield finding(
                title,
                f"{name} kernels take {percent(share(part))} of the kernel time, of "
                f"{percent(total)} with counters: {meaning}",
                part,
            )


def _utilisation(rows: "pd.DataFrame") -> Iterator[Finding]:
    parts = [
        f"{counter.title} {percent(value)}"
        for counter in (SM, MEMORY, DRAM, ACHIEVED)
        if (value := time_weighted(rows, counter.column)) == value
    ]
    if parts:
        yield finding("Utilisation, weighted by time", ", ".join(parts))


def _hierarchy(rows: "pd.DataFrame") -> Iterator[Finding]:
    known = rows.dropna(subset=[L1_HIT.column, L2_HIT.column, "dram_bytes", "l2_bytes"])
    if len(known):
        dram, l2 = (moved_bytes(known, f"{level}_bytes") for level in ("dram", "l2"))
        yield finding(
            "Memory hierarchy",
            f"L1 hits {percent(time_weighted(known, L1_HIT.column))} and L2 "
            f"{percent(time_weighted(known, L2_HIT.column))} of what is asked of them, "
            f"weighted by time; of {scaled_bytes(l2)} through L2, DRAM moved "
            f"{scaled_bytes(dram)}{_cache_words(known)}",
        )


def _cache_words(rows: "pd.DataFrame") -> str:
    """With which L2 the launches of these rows began, where all are alike."""
    states = set(rows["cache"])
    if states == {Cache.COLD.value}:
        return ", each launch with a cold L2"
    if states == {Cache.WARM.value}:
        return ", each launch with the L2 as the replay before left it"
    return ""


def moved_bytes(rows: "pd.DataFrame", column: str) -> float:
    """In all launches of the range."""
    return float((rows[column] * rows["instances"]).sum())


def _attention(rows: "pd.DataFrame") -> Iterator[Finding]:
    part = rows[rows["family"] == Family.ATTENTION]
    if share(part) >= NOTABLE_PCT:
        words = ", ".join(
            f"#{row['rank']} {significant(row['kernel_us'])} us a launch, "
            f"{row['class']}, {percent(row['spec_roof_pct'])} of its rated roof"
            for _, row in part.iterrows()
        )
        yield finding("Attention", words)


def _overhead(model: ModelKernels) -> Iterator[Finding]:
    by_family = shares(model)
    fusable = sum(by_family.get(family, 0.0) for family in FUSABLE)
    if fusable >= WORTH_PCT:
        yield finding(
            "Small operations between the large ones",
            f"elementwise, activation, copy, concatenation, reduction and "
            f"normalisation kernels take {percent(fusable)} of the kernel time",
            of_families(model, FUSABLE),
        )
    if idle_pct(model) >= GAP_PCT:
        yield finding(
            "Idle GPU", f"{percent(idle_pct(model))} of the wall time is gaps"
        )


def shares(model: ModelKernels) -> dict[str, float]:
    table = family_shares(model.kernels)
    return dict(zip(table["family"], table["share_pct"], strict=True))


def of_families(model: ModelKernels, families: Sequence[Family]) -> "pd.DataFrame":
    return model.top[model.top["family"].isin([str(family) for family in families])]


def bottlenecks(model: ModelKernels) -> list[Finding]:
    """What the time is spent on waiting for, the most time first."""
    rows = model.counted
    found = []
    for limiter, (title, words) in LIMITS.items():
        part = rows[rows["limiter"] == limiter]
        if share(part) >= GAP_PCT:
            detail = f"{percent(share(part))} of the kernel time is limited by {words}"
            if limiter in {Limiter.DRAM, Limiter.TENSOR}:
                column = "dram_pct" if limiter is Limiter.DRAM else "tensor_pipe_pct"
                detail += f", at {percent(time_weighted(part, column))} of peak"
            found.append((share(part), finding(title, detail, part)))
    small = rows[rows["waves_per_sm"] < 1]
    if share(small) >= GAP_PCT:
        detail = f"grids of less than one wave, {percent(share(small))} of the time"
        found.append((share(small), finding("Too little parallel work", detail, small)))
    peers = shares(model).get(Family.COMMUNICATION, 0.0)
    if peers >= GAP_PCT:
        part = of_families(model, (Family.COMMUNICATION,))
        detail = f"{percent(peers)} of the kernel time is in kernels that GPUs talk by"
        found.append((peers, finding("Communication", detail, part)))
    if copies_pct(model) >= GAP_PCT:
        detail = f"{percent(copies_pct(model))} of the busy time is memcpy and memset"
        found.append((copies_pct(model), finding("Copies and fills", detail)))
    if idle_pct(model) >= GAP_PCT:
        detail = f"{percent(idle_pct(model))} of the wall time passes between kernels"
        found.append((idle_pct(model), finding("Launches and host", detail)))
    return [one for _, one in sorted(found, key=lambda pair: -pair[0])]
