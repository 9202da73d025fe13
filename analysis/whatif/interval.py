"""Between which times a projection lies.

Two things may be wrong with it. The fit may be off: four of five left-out points of the
kernel lie within its ``spread``. And a term may rest on a resource that the kernel's
sweep never reached: its efficiency is then only known to be no worse than what would
have shown on the source.
"""

from dataclasses import replace

from dsprof.analysis.whatif.project import Machines, call_seconds
from dsprof.analysis.whatif.target import Target
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms, Term


def interval(call: CallTerms, source: Target, target: Target) -> tuple[float, float]:
    """Least and most seconds of a call on the target; infinite where it cannot run."""
    machines = Machines.of(target)
    likely_s = float(call_seconds(call, source, machines))
    most_s = float(call_seconds(at_worst(call), source, machines))
    low, high = call.spread
    return min(low, 1.0) * likely_s, max(high, 1.0) * max(likely_s, most_s)


def layer_interval(layer: LayerTerms, target: Target) -> tuple[float, float]:
    """Least and most seconds of a layer: all calls off to the same side."""
    ends = [(call.count, *interval(call, layer.source, target)) for call in layer.calls]
    return (
        sum(count * low for count, low, _ in ends),
        sum(count * high for count, _, high in ends),
    )


def at_worst(call: CallTerms) -> CallTerms:
    """The call with every term that was never reached as long as the one that was.

    Any longer, and it would have been the longest on the source.
    """
    longest_s = max(
        *call.tensor_s.values(), call.vector_s, call.hbm_s, call.on_chip_s, 0.0
    )
    unknown = set(call.not_identified)

    def most(term: Term, seconds: float) -> float:
        return longest_s if term in unknown and seconds else seconds

    return replace(
        call,
        tensor_s={
            path: most(Term.TENSOR, seconds) for path, seconds in call.tensor_s.items()
        },
        vector_s=most(Term.VECTOR, call.vector_s),
        hbm_s=most(Term.HBM, call.hbm_s),
        on_chip_s=most(Term.ON_CHIP, call.on_chip_s),
    )
