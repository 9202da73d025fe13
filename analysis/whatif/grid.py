"""Layer times of many machines at once: terms along their axes, maxima on the grid."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.whatif.project import Machines
from dsprof.analysis.whatif.residency import Residency, terms_on
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms, Term

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dsprof.analysis.whatif.project import Values


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedCall:
    """One call of a layer with the seconds of its terms on some machines."""

    call: CallTerms
    terms: "dict[Term, Values]"

    @property
    def seconds(self) -> "Values":
        return longest(self.terms) + self.terms[Term.FIXED]


def timed_calls(
    layer: LayerTerms, machines: Machines, residency: Residency
) -> list[TimedCall]:
    return [
        TimedCall(call=call, terms=terms_on(call, layer, machines, residency))
        for call in layer.calls
    ]


def longest(terms: "dict[Term, Values]") -> "Values":
    """The longest of a call's terms but the fixed one."""
    import numpy as np

    shared = [value for term, value in terms.items() if term is not Term.FIXED]
    # Small arrays first: the grid itself is passed over as few times as possible.
    ordered = sorted(shared, key=np.size)
    slowest = ordered[0]
    for value in ordered[1:]:
        slowest = np.maximum(slowest, value)
    return slowest


def layer_seconds_on(
    layer: LayerTerms, machines: Machines, residency: Residency
) -> "NDArray[np.float64]":
    """Seconds of a layer on each machine; infinite where a datapath is missing."""
    import numpy as np

    total: Values = 0.0
    for one in timed_calls(layer, machines, residency):
        total = total + one.call.count * one.seconds
    return np.asarray(total, dtype=np.float64)
