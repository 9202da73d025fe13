"""Projects the calls of a layer onto other machines, one or a million at a time."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.whatif.target import Target
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms, Term
from dsprof.harness.device import Datapath

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = float | NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """Resources of one machine, or arrays of them that broadcast against each other.

    A datapath that is not in ``flops_per_s`` cannot do its work: such a call takes
    infinitely long.
    """

    flops_per_s: "dict[Datapath, Values]"
    hbm_bytes_per_s: "Values"
    on_chip_bytes: "Values"
    on_chip_bytes_per_s: "Values"
    launch_latency_s: "Values"

    @classmethod
    def of(cls, target: Target) -> "Machines":
        return cls(
            flops_per_s=dict(target.flops_per_s),
            hbm_bytes_per_s=target.hbm_bytes_per_s,
            on_chip_bytes=target.on_chip_bytes,
            on_chip_bytes_per_s=target.on_chip_bytes_per_s,
            launch_latency_s=target.launch_latency_s,
        )


def call_terms_on(
    call: CallTerms, source: Target, machines: Machines
) -> "dict[Term, Values]":
    """Seconds of each term of one call on these machines.

    The HBM term keeps the source's traffic: whether a call's bytes stay on chip is
    decided by who calls it last, not by the call alone.
    """
    import numpy as np

    tensor: Values = 0.0
    for datapath, seconds in call.tensor_s.items():
        rate = machines.flops_per_s.get(datapath, 0.0)
        with np.errstate(divide="ignore"):
            own = seconds * np.divide(source.flops_per_s[datapath], rate)
        tensor = np.maximum(tensor, own)
    vector: Values = 0.0
    if call.vector_s:
        rate = machines.flops_per_s.get(Datapath.FP32, 0.0)
        with np.errstate(divide="ignore"):
            vector = call.vector_s * np.divide(source.flops_per_s[Datapath.FP32], rate)
    return {
        Term.TENSOR: tensor,
        Term.VECTOR: vector,
        Term.HBM: call.hbm_s * (source.hbm_bytes_per_s / machines.hbm_bytes_per_s),
        Term.ON_CHIP: call.on_chip_s
        * (source.on_chip_bytes_per_s / machines.on_chip_bytes_per_s),
        Term.FIXED: call.fixed_s
        * (machines.launch_latency_s / source.launch_latency_s),
    }


def call_seconds(call: CallTerms, source: Target, machines: Machines) -> "Values":
    """Seconds of one call on these machines."""
    import numpy as np

    terms = call_terms_on(call, source, machines)
    fixed = terms.pop(Term.FIXED)
    slowest: Values = np.maximum.reduce(np.broadcast_arrays(*terms.values()))
    return slowest + fixed


def layer_seconds(layer: LayerTerms, machines: Machines) -> "Values":
    """Seconds of all calls of a layer, each as often as the layer has it."""
    total: Values = 0.0
    for call in layer.calls:
        total = total + call.count * call_seconds(call, layer.source, machines)
    return total


def limiting_term(call: CallTerms, source: Target, target: Target) -> Term:
    """The term that takes most of a call's time on one machine."""
    terms = call_terms_on(call, source, Machines.of(target))
    return max(terms, key=lambda term: float(terms[term]))


def is_possible(seconds: float) -> bool:
    """Whether the machine has every datapath that the work needs."""
    return math.isfinite(seconds)
