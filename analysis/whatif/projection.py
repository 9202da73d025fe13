"""A layer's time on another machine, with how far it may be wrong.

Two bounds stand beside every projected time. The interval holds the share of the
kernel's points that ``fit.COVERED`` says, each as seen by a fit without its token
count. ``at_most_s`` adds what the sweep cannot exclude: a term that no point reached
may have been about to limit the call, and then it grows by its own resource alone.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from dsprof.analysis.whatif.fit import Fits
from dsprof.analysis.whatif.project import (
    Machines,
    call_seconds,
    is_possible,
    limiting_term,
)
from dsprof.analysis.whatif.target import Target
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms, Term
from dsprof.harness.device import Datapath


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A projected time in seconds, its interval and its upper bound."""

    time_s: float
    low_s: float
    high_s: float
    at_most_s: float

    def times(self, count: float) -> "Estimate":
        return Estimate(
            time_s=count * self.time_s,
            low_s=count * self.low_s,
            high_s=count * self.high_s,
            at_most_s=count * self.at_most_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProjection:
    """One call of a layer on another machine."""

    call: CallTerms
    estimate: Estimate  # of one call
    before: Term  # what takes most of its time on the source
    after: Term  # and on the target
    lacking: tuple[Datapath, ...] = ()  # datapaths that it needs and the target lacks

    @property
    def is_possible(self) -> bool:
        return is_possible(self.estimate.time_s)

    @property
    def rests_on_rating(self) -> bool:
        """True where what limits it on the target stands at its rated value."""
        return self.after in self.call.not_identified


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerProjection:
    """The calls of a layer, or of a whole model, on another machine.

    The sums leave out calls that the target cannot do: they are then lower bounds.
    """

    layer: LayerTerms
    target: Target
    calls: tuple[CallProjection, ...]

    @property
    def impossible(self) -> tuple[CallProjection, ...]:
        return tuple(one for one in self.calls if not one.is_possible)

    @property
    def is_lower_bound(self) -> bool:
        return bool(self.layer.missing or self.impossible)

    @property
    def total(self) -> Estimate:
        """All calls, as if every fit erred to the same side."""
        return add_up(
            one.estimate.times(one.call.count) for one in self.calls if one.is_possible
        )

    @property
    def speedup(self) -> float:
        """Measured over projected time of the calls that the target can do."""
        measured_s = sum(
            one.call.count * one.call.time_s for one in self.calls if one.is_possible
        )
        total_s = self.total.time_s
        return measured_s / total_s if total_s else math.nan

    @property
    def error_pct(self) -> float:
        """Left-out error of the calls' fits, weighted by the measured time."""
        timed = [(one.call.count * one.call.time_s, one.call) for one in self.calls]
        whole_s = sum(seconds for seconds, _ in timed)
        if not whole_s:
            return math.nan
        return sum(seconds * call.error_pct for seconds, call in timed) / whole_s


def project_layer(layer: LayerTerms, target: Target, fits: Fits) -> LayerProjection:
    """Every call of the layer on the target."""
    return LayerProjection(
        layer=layer,
        target=target,
        calls=tuple(project_call(call, target, fits) for call in layer.calls),
    )


def project_call(call: CallTerms, target: Target, fits: Fits) -> CallProjection:
    """One call on the target; its time is infinite where that lacks a datapath."""
    source, machines = fits.source, Machines.of(target)
    time_s = float(call_seconds(call, source, machines))
    low, high = fits.kernels[call.kernel].spread
    longest_s = max(time_s, _with_unreached_terms(call, source, machines))
    needed = (*call.tensor_s, *((Datapath.FP32,) if call.vector_s else ()))
    return CallProjection(
        call=call,
        estimate=Estimate(
            time_s=time_s,
            low_s=time_s * low,
            high_s=time_s * high,
            at_most_s=longest_s * high,
        ),
        before=limiting_term(call, source, source),
        after=limiting_term(call, source, target),
        lacking=tuple(
            path for path in Datapath if path in needed and not target.has(path)
        ),
    )


def add_up(estimates: Iterable[Estimate]) -> Estimate:
    """The sum of times, of lower and of upper ends."""
    known = list(estimates)
    return Estimate(
        time_s=sum(one.time_s for one in known),
        low_s=sum(one.low_s for one in known),
        high_s=sum(one.high_s for one in known),
        at_most_s=sum(one.at_most_s for one in known),
    )


def _with_unreached_terms(call: CallTerms, source: Target, machines: Machines) -> float:
    """Seconds if every term that no point reached took as long as the one that did."""
    limit_s = call.time_s - call.fixed_s
    unreached = set(call.not_identified)
    widest = replace(
        call,
        tensor_s=dict.fromkeys(call.tensor_s, limit_s)
        if Term.TENSOR in unreached
        else call.tensor_s,
        vector_s=limit_s if Term.VECTOR in unreached else call.vector_s,
        hbm_s=limit_s if Term.HBM in unreached else call.hbm_s,
        on_chip_s=limit_s if Term.ON_CHIP in unreached else call.on_chip_s,
    )
    return float(call_seconds(widest, source, machines))
