"""The class of a kernel: compute-bound, memory-bound or balanced, and why.

C is the larger of SM and tensor pipe %, M of memory and DRAM %, all of peak over
elapsed time. A side dominates where it is 1.10 times the other and 3 points above it;
the class is that side where the intensity lies on the same side of the ridge. Below
the floor, near parity and in conflict a kernel is balanced. Floor and ratio were set
so that published class means fall into their classes: they are no law.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from dsprof.analysis.intensity import (
    Intensity,
    analytic_intensity,
    counted_intensity,
    factor_between,
)
from dsprof.analysis.limiter import Limiter, compute_limiter, memory_limiter
from dsprof.analysis.merge import MergedPoint
from dsprof.analysis.sol_rule import sol_class
from dsprof.harness.device import Datapath, DeviceSpec
from dsprof.harness.records import Bound, Cache, Measurement


class BoundClass(StrEnum):
    """What the rule says of a kernel."""

    COMPUTE = "compute-bound"
    MEMORY = "memory-bound"
    BALANCED = "balanced"  # neither: idle, near parity, or in conflict
    UNKNOWN = "unknown"  # a counter that decides is missing


class Basis(StrEnum):
    """What a verdict stands on."""

    COUNTERS = "counters"  # utilisation, and an intensity
    UTILISATION = "utilisation only"  # no intensity is known
    ANALYTIC = "analytic only"  # no counters are there


class Confidence(StrEnum):
    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Where the rule draws its lines."""

    floor: float = 30  # % of peak; below it on both sides nothing is bound
    ratio: float = 1.10  # that the dominant side is of the other
    points: float = 3  # % of peak that it is above the other
    latency_us: float = 5  # a launch under it is too short to fill the GPU


DEFAULT_THRESHOLDS = Thresholds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A kernel's class with everything that it was decided by.

    ``margin`` is the least relative change of C, M or the intensity that would give
    another class: 0.25 where one of them would have to grow by 25 %, or be divided by
    1.25. It is NaN for an unknown class and infinite where no such change exists.
    ``conflict`` says that the busy side is not the side of the intensity; the limiter
    then belongs to the busy side. ``latency`` says that a launch is shorter than
    ``latency_us`` or has less than one wave of blocks. ``above_roof`` names the
    percentages above 100, which stay as counted.
    """

    bound_class: BoundClass
    limiter: Limiter | None
    margin: float
    conflict: bool
    latency: bool
    nvidia_class: str  # ncu's own where its rule ran, else the rule re-implemented
    confidence: Confidence
    evidence: str
    basis: Basis
    thresholds: Thresholds
    above_roof: tuple[str, ...] = ()


def classify(
    point: MergedPoint, device: DeviceSpec, thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> Verdict:
    """Return the class that the counters give, with an intensity where one is known.

    The intensity is the analytic one; without a cost, the counted one. Where both
    are known and on different sides of the ridge, confidence is low.
    """
    compute = _larger(point, "sm_pct", "tensor_pipe_pct")
    memory = _larger(point, "memory_pct", "dram_pct")
    if compute is None or memory is None:
        return _unknown(
            point, "sm_pct" if compute is None else "memory_pct", thresholds
        )
    c_pct, m_pct = compute[1], memory[1]
    analytic = analytic_intensity(point, device)
    counted = counted_intensity(point, device)
    intensity = analytic or counted
    disagree = bool(analytic and counted and analytic.side is not counted.side)
    side = intensity.side if intensity else None
    above_roof = _above_roof(point)
    evidence = [
        f"C = {compute[0]} {c_pct:.1f} %, M = {memory[0]} {m_pct:.1f} %",
        str(intensity) if intensity else "no intensity is known",
        *([f"the counters disagree: {counted}"] if disagree else []),
        *(f"{name} is above its roof" for name in above_roof),
    ]
    sure = intensity is not None and not disagree and not above_roof
    return Verdict(
        bound_class=_bound_class(c_pct, m_pct, side, thresholds),
        limiter=_limiter(point, device, c_pct, m_pct, thresholds),
        margin=_margin(c_pct, m_pct, intensity, thresholds),
        conflict=side is not None
        and _dominant(c_pct, m_pct, thresholds) not in (None, side),
        latency=_is_short(point, thresholds),
        nvidia_class=_nvidia_class(point),
        confidence=Confidence.HIGH if sure else Confidence.LOW,
        evidence="; ".join(evidence) + ".",
        basis=Basis.COUNTERS if intensity else Basis.UTILISATION,
        thresholds=thresholds,
        above_roof=above_roof,
    )


def _unknown(point: MergedPoint, lacking: str, thresholds: Thresholds) -> Verdict:
    why = point.missing.get(lacking, "not in the report")
    return Verdict(
        bound_class=BoundClass.UNKNOWN,
        limiter=None,
        margin=math.nan,
        conflict=False,
        latency=_is_short(point, thresholds),
        nvidia_class=_nvidia_class(point),
        confidence=Confidence.LOW,
        evidence=f"{lacking} is missing: {why}.",
        basis=Basis.UTILISATION,
        thresholds=thresholds,
        above_roof=_above_roof(point),
    )


def classify_analytic(
    measurement: Measurement,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    *,
    cache: Cache = Cache.COLD,
) -> Verdict:
    """Return the side of the ridge that the analytic intensity is on.

    For a point without counters; ``cache`` says whose time the latency flag is of.
    """
    roof, bound = measurement.roof, measurement.bound
    timing = measurement.timing(cache)
    limiter, margin = None, math.nan
    bound_class = BoundClass.UNKNOWN
    evidence = "neither counters nor an analytic cost with its roof"
    if roof is not None and bound is not None:
        intensity = Intensity(
            value=measurement.arithmetic_intensity,
            ridge=roof.ridge_point,
            source="analytic",
            datapath=measurement.datapath,
        )
        bound_class, margin = _CLASSES[bound], intensity.factor - 1
        limiter = _ANALYTIC_LIMITERS.get(measurement.datapath, Limiter.TENSOR)
        limiter = Limiter.DRAM if bound is Bound.MEMORY else limiter
        evidence = f"analytic only: {intensity}"
    return Verdict(
        bound_class=bound_class,
        limiter=limiter,
        margin=margin,
        conflict=False,
        latency=timing is not None and timing.median_us < thresholds.latency_us,
        nvidia_class="",
        confidence=Confidence.LOW,
        evidence=evidence + ".",
        basis=Basis.ANALYTIC,
        thresholds=thresholds,
    )


_CLASSES = {Bound.COMPUTE: BoundClass.COMPUTE, Bound.MEMORY: BoundClass.MEMORY}
_ANALYTIC_LIMITERS = {Datapath.FP32: Limiter.FP}
_PERCENTAGES = (
    "sm_pct", "tensor_pipe_pct", "memory_pct", "dram_pct", "l2_pct", "l1_pct",
)  # fmt: skip


def _larger(point: MergedPoint, needed: str, other: str) -> tuple[str, float] | None:
    """The larger percentage and its name; None without the first."""
    values = {
        name: value
        for name in (needed, other)
        if (value := getattr(point.counters, name)) is not None
    }
    if needed not in values:
        return None
    return max(values.items(), key=lambda item: item[1])


def _dominant(c_pct: float, m_pct: float, limits: Thresholds) -> Bound | None:
    """The side that is clearly the busier one; None below the floor and near parity."""
    high, low = max(c_pct, m_pct), min(c_pct, m_pct)
    if high < limits.floor:
        return None
    if high < limits.ratio * low or high - low < limits.points:
        return None
    return Bound.MEMORY if m_pct >= c_pct else Bound.COMPUTE


def _bound_class(
    c_pct: float, m_pct: float, side: Bound | None, limits: Thresholds
) -> BoundClass:
    dominant = _dominant(c_pct, m_pct, limits)
    if dominant is None or side not in (None, dominant):
        return BoundClass.BALANCED
    return _CLASSES[dominant]


def _limiter(
    point: MergedPoint,
    device: DeviceSpec,
    c_pct: float,
    m_pct: float,
    limits: Thresholds,
) -> Limiter | None:
    """The busier side's, also near parity; latency where neither side is busy."""
    if max(c_pct, m_pct) < limits.floor:
        return Limiter.LATENCY
    if m_pct >= c_pct:
        return memory_limiter(point.counters)
    return compute_limiter(point, device)


def _margin(
    c_pct: float, m_pct: float, intensity: Intensity | None, limits: Thresholds
) -> float:
    """See Verdict: the nearest line past which the class is another."""
    side = intensity.side if intensity else None
    now = _bound_class(c_pct, m_pct, side, limits)
    factors = [math.inf]
    for c_new, past in _past_lines(c_pct, m_pct, limits):
        if _bound_class(past, m_pct, side, limits) is not now:
            factors.append(factor_between(c_pct, c_new))
    for m_new, past in _past_lines(m_pct, c_pct, limits):
        if _bound_class(c_pct, past, side, limits) is not now:
            factors.append(factor_between(m_pct, m_new))
    if intensity:
        other = Bound.COMPUTE if side is Bound.MEMORY else Bound.MEMORY
        if _bound_class(c_pct, m_pct, other, limits) is not now:
            factors.append(intensity.factor)
    return min(factors) - 1


def _past_lines(
    moved: float, fixed: float, limits: Thresholds
) -> Iterator[tuple[float, float]]:
    """Values at which the moved side meets a line, and ones just past them.

    Lines that lie below the fixed side are left out: the other side's move to its own
    line above is never a larger change.
    """
    for line in (limits.floor, limits.ratio * fixed, fixed + limits.points):
        step = 1e-9 * max(line, 1)
        yield line, line + (step if line >= moved else -step)


def _above_roof(point: MergedPoint) -> tuple[str, ...]:
    return tuple(
        name
        for name in _PERCENTAGES
        if (getattr(point.counters, name) or 0) > 100  # noqa: PLR2004 -- percent
    )


def _is_short(point: MergedPoint, limits: Thresholds) -> bool:
    """By graph time where there is one: ncu's is of a slower, lonelier run."""
    total_us = point.graph_us if point.graph_us is not None else point.duration_us
    waves = point.counters.waves_per_sm
    if waves is not None and waves < 1:
        return True
    return total_us is not None and total_us / len(point.launches) < limits.latency_us


def _nvidia_class(point: MergedPoint) -> str:
    counters = point.counters
    title = sol_class(counters.sm_pct, counters.memory_pct, counters.waves_per_sm)
    return counters.nvidia_class or (title.value if title else "")
