"""How little of a resource a layer needs: how far it can fall before it costs time.

All by the what-if model: the layer is projected onto the source machine with one
resource changed.
"""

from typing import TYPE_CHECKING

from dsprof.analysis.whatif.project import layer_seconds
from dsprof.analysis.whatif.resource import Resource, machines_with, value_of
from dsprof.analysis.whatif.terms import LayerTerms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOSS_PCT = 5.0  # more time than this is felt
LEAST, MOST = 2.0**-7, 2.0**5  # of what the source has
STEPS_AN_OCTAVE = 16
ROUNDING = 1e-12  # of a sum of a few dozen floats


def scales() -> "NDArray[np.float64]":
    """Multiples of a resource, a sixteenth of an octave apart, rising."""
    import numpy as np

    octaves = np.log2(MOST / LEAST)
    return np.geomspace(LEAST, MOST, round(STEPS_AN_OCTAVE * octaves) + 1)


def seconds_with(
    layer: LayerTerms, resources: tuple[Resource, ...], factor: "NDArray[np.float64]"
) -> "NDArray[np.float64]":
    """Layer time on the source machine with so many times of these resources."""
    import numpy as np

    values = {
        resource: value * factor
        for resource in resources
        if (value := value_of(layer.source, resource)) is not None
    }
    machines = machines_with(layer.source, values)
    seconds = np.asarray(layer_seconds(layer, machines), dtype=np.float64)
    return np.broadcast_to(seconds, factor.shape)


def slowdown_pct(
    layer: LayerTerms, resources: tuple[Resource, ...], factor: float
) -> float:
    """Percent more time with so many times of the resources; less is negative."""
    import numpy as np

    changed = float(seconds_with(layer, resources, np.array([factor]))[0])
    return percent(changed / layer.time_s - 1)


def percent(ratio: float) -> float:
    """A ratio in percent; 0 where it is only the rounding of a sum."""
    return 0.0 if abs(ratio) < ROUNDING else 100 * ratio


def least_scale(layer: LayerTerms, resources: tuple[Resource, ...]) -> float:
    """The least multiple of the resources that costs at most LOSS_PCT more time.

    LEAST where the layer hardly uses them.
    """
    factors = scales()
    seconds = seconds_with(layer, resources, factors)
    good = seconds <= layer.time_s * (1 + LOSS_PCT / 100)
    return float(factors[good.argmax()]) if good.any() else MOST
