"""A layer's time as what one resource limits and what it does not.

    t(x) = sum over calls of  max(own / x, rest) + other          (seconds)

``x`` is how many times better the resource is: so many times the rate, or the launch
latency over so much.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.whatif.grid import TimedCall, timed_calls
from dsprof.analysis.whatif.residency import Residency
from dsprof.analysis.whatif.resource import Resource, machines_with
from dsprof.analysis.whatif.target import Target
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms, Term

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

TIE = 1e-9  # terms nearer to each other than this part of them are equal
TERM_OF = {
    Resource.BANDWIDTH: Term.HBM,
    Resource.ON_CHIP_BANDWIDTH: Term.ON_CHIP,
    Resource.VECTOR: Term.VECTOR,
    Resource.LAUNCH: Term.FIXED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Seconds of each call, times its count: with the resource, beside it, on top."""

    calls: tuple[CallTerms, ...]
    own_s: "Array"
    rest_s: "Array"
    other_s: "Array"

    def seconds(self, better: float = 1.0) -> float:
        """The layer's time with so many times better a resource."""
        import numpy as np

        slowest = np.maximum(self.own_s / better, self.rest_s)
        return float((slowest + self.other_s).sum())

    def limited_s(self, better: float = 1.0, *, with_more: bool) -> "Array":
        """Seconds of each call that scale when the resource gets better, or worse.

        A call whose terms tie scales when it gets worse and does not when it gets
        better.
        """
        import numpy as np

        own = self.own_s / better
        least = self.rest_s * (1 + TIE if with_more else 1 - TIE)
        return np.where((own > 0) & (own >= least), own, 0.0)

    def limited_share(self, better: float = 1.0, *, with_more: bool = True) -> float:
        """Their part of the layer's time: minus the elasticity on that side."""
        total = self.seconds(better)
        if not total:
            return 0.0
        return float(self.limited_s(better, with_more=with_more).sum()) / total


def split(
    layer: LayerTerms, target: Target, residency: Residency, resource: Resource
) -> Split:
    """The layer on one machine by one rate, or by launch latency."""
    import numpy as np

    parts = [
        [one.call.count * seconds for seconds in _parts(one, layer, target, resource)]
        for one in timed_calls(layer, machines_with(target, {}), residency)
    ]
    own, rest, other = np.array(parts, dtype=np.float64).reshape(-1, 3).T
    return Split(calls=layer.calls, own_s=own, rest_s=rest, other_s=other)


def _parts(
    one: TimedCall, layer: LayerTerms, target: Target, resource: Resource
) -> tuple[float, float, float]:
    """Seconds of the resource, the longest other term, and what comes on top."""
    fixed = float(one.terms[Term.FIXED])
    shared: dict[str, float] = {
        term: float(seconds)
        for term, seconds in one.terms.items()
        if term not in {Term.FIXED, Term.TENSOR}
    }
    shared |= tensor_seconds(one.call, layer.source, target)
    if resource is Resource.LAUNCH:
        return fixed, 0.0, max(shared.values())
    key = TERM_OF.get(resource, resource.datapath)
    own = shared.pop(key, 0.0) if key is not None else 0.0
    return own, max(shared.values()), fixed


def tensor_seconds(call: CallTerms, source: Target, target: Target) -> dict[str, float]:
    """Seconds of each tensor datapath; infinite where the machine lacks it."""
    return {
        path: seconds * source.flops_per_s[path] / target.flops_per_s[path]
        if path in target.flops_per_s
        else math.inf
        for path, seconds in call.tensor_s.items()
    }
