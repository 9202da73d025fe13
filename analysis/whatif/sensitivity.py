"""How a layer's time answers to each resource: elasticities, and halving and doubling.

An elasticity is d ln(time) / d ln(resource): -0.6 says that 1 % more of the resource
takes 0.6 % off the time. A call's time is its longest term plus a fixed part, so the
elasticity is minus the share of the layer's time in calls that the resource limits,
exactly, and it jumps where two terms of a call are equal: there the side of less and
the side of more of the resource have different values. That of tokens/s is its
negative. For launch latency, of which less is better, the sign is the other one.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.whatif.grid import layer_seconds_on
from dsprof.analysis.whatif.residency import ONE_LAYER_HELD, Held, Residency
from dsprof.analysis.whatif.resource import (
    Resource,
    machines_with,
    scaled,
    value_of,
)
from dsprof.analysis.whatif.split import TERM_OF, split
from dsprof.analysis.whatif.target import Target
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms, Term

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CENTRAL_STEP = 1.05  # the central difference goes this factor up and down
CAPACITY_STEP = 1 + 1e-6  # of the one-sided differences where no formula is used


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A call that a resource limits, and the percent of the layer that it takes."""

    kernel: str
    op: str
    share_pct: float
    is_measured: bool
    is_identified: bool  # the kernel's sweep reached this term


@dataclass(frozen=True, slots=True, kw_only=True)
class Elasticity:
    """Elasticity of a layer's time to one resource, on one machine."""

    resource: Resource
    value: float | None  # how much of it there is; None for a datapath that is missing
    below: float  # when there is a little less of it
    above: float  # when there is a little more
    central: float  # mean over 5 % less to 5 % more
    half_pct: float  # change of the time with half of it
    double_pct: float  # with twice as much
    evidence: tuple[Evidence, ...]  # the calls behind it, the longest first

    @property
    def is_kink(self) -> bool:
        return not math.isclose(self.below, self.above, rel_tol=1e-4, abs_tol=1e-4)

    @property
    def swing_pct(self) -> float:
        return max(abs(self.half_pct), abs(self.double_pct))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """Every resource's elasticity for one layer on one machine."""

    layer: LayerTerms
    target: Target
    time_s: float
    elasticities: tuple[Elasticity, ...]

    @property
    def ranked(self) -> list[Elasticity]:
        """The resources that move the time most come first."""
        return sorted(self.elasticities, key=lambda one: -one.swing_pct)

    def of(self, resource: Resource) -> Elasticity:
        return next(one for one in self.elasticities if one.resource is resource)


def sensitivity(
    layer: LayerTerms, target: Target | None = None, held: Held = ONE_LAYER_HELD
) -> Sensitivity:
    """Elasticities on a machine that can do all of the layer's work, or the source."""
    machine = target or layer.source
    residency = Residency.of(layer, held)
    base = layer_seconds_on(layer, machines_with(machine, {}), residency)
    return Sensitivity(
        layer=layer,
        target=machine,
        time_s=float(base),
        elasticities=tuple(
            _elasticity(layer, machine, residency, resource) for resource in Resource
        ),
    )


def _elasticity(
    layer: LayerTerms, target: Target, residency: Residency, resource: Resource
) -> Elasticity:
    import numpy as np

    factors = np.array([1.0, 0.5, 2.0, 1 / CENTRAL_STEP, CENTRAL_STEP])
    base, half, double, less, more = _times(layer, target, residency, resource, factors)
    limited: list[tuple[CallTerms, float]] = []
    if resource is Resource.ON_CHIP_CAPACITY:
        below, above = _one_sided(layer, target, residency)
    else:
        parts = split(layer, target, residency, resource)
        when_worse = parts.limited_s(with_more=False)
        limited = list(zip(parts.calls, map(float, when_worse), strict=True))
        worse = float(when_worse.sum()) / base
        better = parts.limited_share(with_more=True)
        # Less latency is better, so its sides are the other way round.
        is_launch = resource is Resource.LAUNCH
        below, above = (better, worse) if is_launch else (-worse, -better)
    return Elasticity(
        resource=resource,
        value=value_of(target, resource),
        below=below + 0.0,  # no negative zero
        above=above + 0.0,
        central=math.log(more / less) / (2 * math.log(CENTRAL_STEP)),
        half_pct=100 * (half / base - 1),
        double_pct=100 * (double / base - 1),
        evidence=_evidence(limited, resource, base),
    )


def _times(
    layer: LayerTerms,
    target: Target,
    residency: Residency,
    resource: Resource,
    factors: "NDArray[np.float64]",
) -> list[float]:
    import numpy as np

    times = layer_seconds_on(layer, scaled(target, resource, factors), residency)
    return [float(time) for time in np.broadcast_to(times, factors.shape)]


def _one_sided(
    layer: LayerTerms, target: Target, residency: Residency
) -> tuple[float, float]:
    """Capacity has no term of its own: differences over a very small step."""
    import numpy as np

    factors = np.array([1 / CAPACITY_STEP, 1.0, CAPACITY_STEP])
    resource = Resource.ON_CHIP_CAPACITY
    less, base, more = _times(layer, target, residency, resource, factors)
    step = math.log(CAPACITY_STEP)
    return math.log(base / less) / step, math.log(more / base) / step


def _evidence(
    limited: Iterable[tuple[CallTerms, float]], resource: Resource, base_s: float
) -> tuple[Evidence, ...]:
    term = TERM_OF.get(resource, Term.TENSOR)
    return tuple(
        Evidence(
            kernel=call.kernel,
            op=call.op,
            share_pct=100 * seconds / base_s,
            is_measured=call.measured,
            is_identified=term not in call.not_identified,
        )
        for call, seconds in sorted(limited, key=lambda one: -one[1])
        if seconds
    )
