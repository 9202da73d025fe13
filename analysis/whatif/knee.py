"""Where more of a resource stops paying.

The knee is the amount at which the elasticity of the layer's time falls to a stated
marginal gain: beyond it, 1 % more of the resource takes less than ``gain`` percent off
the time. The share of the time that a resource limits can only fall as it grows, so
there is one such amount.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.whatif.grid import layer_seconds_on
from dsprof.analysis.whatif.residency import ONE_LAYER_HELD, Held, Residency
from dsprof.analysis.whatif.resource import (
    RATES,
    Resource,
    machines_with,
    target_with,
    value_of,
)
from dsprof.analysis.whatif.split import Split, split
from dsprof.analysis.whatif.target import Target
from dsprof.analysis.whatif.terms import LayerTerms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MARGINAL_GAIN = 0.1
WIDEST = 1e6  # the knee is sought from the machine's amount over this to times this
STEPS = 50  # halvings of a range of e**28: to the last digits of a float
CURVE_POINTS = 97
CURVE_SPAN = 16  # the curve goes from the amount over this to times this


@dataclass(frozen=True, slots=True, kw_only=True)
class Knee:
    """The amount of a resource beyond which more pays less than ``gain``.

    ``value`` is None where no amount does: the layer's time never depends on the
    resource as much as that (``is_below_gain``), or always does.
    """

    layer: LayerTerms
    resource: Resource
    gain: float
    own_value: float  # what the machine has
    own_share: float  # the part of its time that the resource limits there
    value: float | None
    time_s: float | None  # of the layer at the knee
    is_below_gain: bool = False
    next_limit: Resource | None = None  # limits most of the time beyond the knee
    next_share: float = 0.0  # its part of that time


def knee(
    layer: LayerTerms,
    resource: Resource = Resource.BANDWIDTH,
    *,
    target: Target | None = None,
    gain: float = MARGINAL_GAIN,
    held: Held = ONE_LAYER_HELD,
) -> Knee | None:
    """The knee of a rate or of launch latency; None where the machine lacks it.

    For launch latency, of which less is better, it is the latency below which less
    pays less than ``gain``.
    """
    machine = target or layer.source
    residency = Residency.of(layer, held)
    own = value_of(machine, resource)
    if own is None:
        return None

    parts = split(layer, machine, residency, resource)
    better, is_below_gain = _falls_to(parts, gain)
    value, following = None, None
    if better is not None:
        value = own / better if resource is Resource.LAUNCH else own * better
        following = _next_limit(layer, machine, residency, resource, value)
    return Knee(
        layer=layer,
        resource=resource,
        gain=gain,
        own_value=own,
        own_share=parts.limited_share(),
        value=value,
        time_s=None if better is None else parts.seconds(better),
        is_below_gain=is_below_gain,
        next_limit=following[0] if following else None,
        next_share=following[1] if following else 0.0,
    )


def _next_limit(
    layer: LayerTerms,
    machine: Target,
    residency: Residency,
    resource: Resource,
    value: float,
) -> tuple[Resource, float] | None:
    """The other resource with the largest part of the time at the knee, if any."""
    there = target_with(machine, resource, value)
    shares = {
        other: split(layer, there, residency, other).limited_share(with_more=False)
        for other in RATES
        if other is not resource
    }
    most = max(shares, key=lambda other: shares[other])
    return (most, shares[most]) if shares[most] else None


def _falls_to(parts: Split, gain: float) -> tuple[float | None, bool]:
    """How many times better brings the share to the gain; None and why if none does.

    True: the share is never as much as the gain.
    """
    low, high = -math.log(WIDEST), math.log(WIDEST)
    if parts.limited_share(math.exp(low)) <= gain:
        return None, True
    if parts.limited_share(math.exp(high)) > gain:
        return None, False
    for _ in range(STEPS):
        middle = (low + high) / 2
        if parts.limited_share(math.exp(middle)) > gain:
            low = middle
        else:
            high = middle
    return math.exp(high), False


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Layer time over the amount of one resource."""

    layer: LayerTerms
    resource: Resource
    values: "NDArray[np.float64]"
    time_s: "NDArray[np.float64]"


def curve(
    layer: LayerTerms,
    resource: Resource = Resource.BANDWIDTH,
    *,
    target: Target | None = None,
    held: Held = ONE_LAYER_HELD,
) -> Curve | None:
    """Layer times from a sixteenth to sixteen times a resource; None without it."""
    import numpy as np

    machine = target or layer.source
    own = value_of(machine, resource)
    if own is None:
        return None
    values = own * np.geomspace(1 / CURVE_SPAN, CURVE_SPAN, CURVE_POINTS)
    machines = machines_with(machine, {resource: values})
    times = layer_seconds_on(layer, machines, Residency.of(layer, held))
    return Curve(
        layer=layer,
        resource=resource,
        values=values,
        time_s=np.broadcast_to(times, values.shape),
    )
