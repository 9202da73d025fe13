"""Evaluates a layer on every machine of a design space, and picks from them.

A term depends on the resources of its own axes alone, so it is computed along these
and only the longest term of a call is taken on the grid itself, a slab at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dsprof.analysis.whatif.cost import CostModel, read_cost
from dsprof.analysis.whatif.design_grid import design_machines, slabs
from dsprof.analysis.whatif.design_sweep import DesignSweep
from dsprof.analysis.whatif.grid import layer_seconds_on
from dsprof.analysis.whatif.pareto import pareto_front
from dsprof.analysis.whatif.project import Machines
from dsprof.analysis.whatif.residency import ONE_LAYER_HELD, Held, Residency
from dsprof.analysis.whatif.resource import Resource, value_of
from dsprof.analysis.whatif.terms import LayerTerms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

POINTS = 1_000_000
# 2 MB an array. A million points of a layer of 36 calls took 0.05 s like this, 0.15 s
# as one slab and 0.6 s in slabs of 8,192 points.
SLAB_POINTS = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One machine of the space and what it gives for one layer."""

    values: Mapping[Resource, float]
    latency_s: float  # of the layer
    tokens_per_s: float  # through one such layer
    area_mm2: float
    power_w: float  # mean while the layer runs
    joules: float  # a layer pass

    @property
    def tokens_per_joule(self) -> float:
        return self.tokens_per_s / self.power_w

    @property
    def tokens_per_s_mm2(self) -> float:
        return self.tokens_per_s / self.area_mm2


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """One layer over the grid; arrays have an axis for each axis of the sweep."""

    layer: LayerTerms
    values: "Mapping[Resource, Array]"
    costs: CostModel
    held: Held
    latency_s: "Array"  # infinite where a machine lacks a datapath
    area_mm2: "Array"
    power_w: "Array"
    source: Design  # the machine of the profile, by the same models

    @property
    def points(self) -> int:
        return int(self.latency_s.size)

    @property
    def tokens_per_s(self) -> "Array":
        return self.layer.tokens / self.latency_s

    @property
    def tokens_per_joule(self) -> "Array":
        """Efficiency surface: tokens through the layer for a joule."""
        return self.tokens_per_s / self.power_w

    @property
    def tokens_per_s_mm2(self) -> "Array":
        """Efficiency surface: tokens/s for a mm2."""
        return self.tokens_per_s / self.area_mm2

    @cached_property
    def cost_front(self) -> tuple[Design, ...]:
        """No other design is both quicker and smaller; the quickest comes first."""
        front = pareto_front(self.latency_s, self.area_mm2)
        return tuple(self.design(int(at)) for at in front)

    @cached_property
    def power_front(self) -> tuple[Design, ...]:
        """No other design is both quicker and takes less power; quickest first."""
        front = pareto_front(self.latency_s, self.power_w)
        return tuple(self.design(int(at)) for at in front)

    def cheapest(self, latency_s: float) -> Design | None:
        """The smallest design that is at least so quick; None if none is.

        Of equal ones the quickest, then that with the least power.
        """
        import numpy as np

        latency, area = self.latency_s.ravel(), self.area_mm2.ravel()
        meets = np.flatnonzero(latency <= latency_s)
        if not meets.size:
            return None
        keys = (self.power_w.ravel()[meets], latency[meets], area[meets])
        return self.design(int(meets[np.lexsort(keys)[0]]))

    def design(self, at: int) -> Design:
        """The point of a flat index."""
        import numpy as np

        place = np.unravel_index(at, self.latency_s.shape)
        chosen = {
            resource: float(values[index])
            for (resource, values), index in zip(
                self.values.items(), place, strict=True
            )
        }
        return _design(
            self.layer,
            chosen,
            latency_s=float(self.latency_s[place]),
            area_mm2=float(self.area_mm2[place]),
            power_w=float(self.power_w[place]),
        )


def explore(  # noqa: PLR0913 -- what names a space and how it is judged
    layers: Sequence[LayerTerms],
    sweep: DesignSweep,
    *,
    points: int = POINTS,
    costs: CostModel | None = None,
    held: Held = ONE_LAYER_HELD,
    slab_points: int = SLAB_POINTS,
) -> tuple[Exploration, ...]:
    """Each layer on the whole grid; resources outside the sweep are the source's.

    Tensor datapaths are one array of multipliers: those that the sweep does not name
    keep their ratio to the first one that it names.
    """
    values = sweep.values(points)
    return tuple(
        _explore(layer, values, costs or read_cost(), held, slab_points)
        for layer in layers
    )


def _explore(
    layer: LayerTerms,
    values: "Mapping[Resource, Array]",
    costs: CostModel,
    held: Held,
    slab_points: int,
) -> Exploration:
    import numpy as np

    residency = Residency.of(layer, held)
    shape = tuple(len(one) for one in values.values())
    latency, area, power = (np.empty(shape) for _ in range(3))
    for place in slabs(shape, slab_points):
        part = {
            resource: one[where]
            for (resource, one), where in zip(values.items(), place, strict=True)
        }
        machines = design_machines(layer.source, part)
        latency[place] = layer_seconds_on(layer, machines, residency)
        area[place] = costs.area_mm2(machines)
        joules = costs.layer_joules(layer, machines, residency)
        power[place] = costs.static_w(area[place]) + joules / latency[place]
    return Exploration(
        layer=layer,
        values=values,
        costs=costs,
        held=held,
        latency_s=latency,
        area_mm2=area,
        power_w=power,
        source=source_design(layer, costs, held, tuple(values)),
    )


def source_design(
    layer: LayerTerms, costs: CostModel, held: Held, resources: Sequence[Resource]
) -> Design:
    """The machine of the profile under the same cost and power model."""
    residency = Residency.of(layer, held)
    machines = Machines.of(layer.source)
    latency_s = float(layer_seconds_on(layer, machines, residency))
    area_mm2 = float(costs.area_mm2(machines))
    joules = float(costs.layer_joules(layer, machines, residency))
    own = {resource: value_of(layer.source, resource) for resource in resources}
    return _design(
        layer,
        {resource: value for resource, value in own.items() if value is not None},
        latency_s=latency_s,
        area_mm2=area_mm2,
        power_w=float(costs.static_w(area_mm2)) + joules / latency_s,
    )


def _design(
    layer: LayerTerms,
    values: Mapping[Resource, float],
    *,
    latency_s: float,
    area_mm2: float,
    power_w: float,
) -> Design:
    return Design(
        values=dict(values),
        latency_s=latency_s,
        tokens_per_s=layer.tokens / latency_s,
        area_mm2=area_mm2,
        power_w=power_w,
        joules=power_w * latency_s,
    )
