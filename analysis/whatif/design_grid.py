"""The machines of a grid, with each axis's values along a dimension of their own."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.whatif.project import Machines
from dsprof.analysis.whatif.resource import DATAPATHS, Resource, machines_with, value_of
from dsprof.analysis.whatif.target import Target
from dsprof.harness.device import Datapath

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def design_machines(source: Target, values: "Mapping[Resource, Array]") -> Machines:
    """Machines of a part of the grid: each axis's values along their own dimension."""
    import numpy as np

    spread = dict(zip(values, np.ix_(*values.values()), strict=True)) if values else {}
    for resource, leader in tied_datapaths(source, values).items():
        own, first = value_of(source, resource), value_of(source, leader)
        if own is not None and first is not None:
            spread[resource] = spread[leader] * (own / first)
    return machines_with(source, spread)


def tied_datapaths(
    source: Target, values: "Mapping[Resource, Array]"
) -> dict[Resource, Resource]:
    """Tensor rates that a sweep does not name, with the one that they go with."""
    leader = next((one for one in values if _is_tensor(one)), None)
    if leader is None or value_of(source, leader) is None:
        return {}
    return {
        resource: leader
        for resource in DATAPATHS
        if _is_tensor(resource)
        and resource not in values
        and value_of(source, resource) is not None
    }


def _is_tensor(resource: Resource) -> bool:
    return resource.datapath not in {None, Datapath.FP32}


def slabs(shape: Sequence[int], most_points: int) -> Iterator[tuple[slice, ...]]:
    """Parts of the grid of at most so many points, cut along the first axes."""
    sizes = list(shape)
    for axis, length in enumerate(shape):
        rest = 1
        for other in shape[axis + 1 :]:
            rest *= other
        sizes[axis] = max(1, min(length, most_points // rest))
        if rest <= most_points:
            break
    yield from _cut(shape, sizes)


def _cut(shape: Sequence[int], sizes: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    if not shape:
        yield ()
        return
    for start in range(0, shape[0], sizes[0]):
        stop = min(start + sizes[0], shape[0])
        for others in _cut(shape[1:], sizes[1:]):
            yield (slice(start, stop), *others)
