"""GPU operations of a recording as columns, and the ranges they were launched in."""

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

Sizes = tuple[int, int, int]


class Kind(IntEnum):
    """What an operation of the GPU is."""

    KERNEL = 0
    COPY = 1  # memcpy or memset
    GRAPH = 2  # a CUDA graph that was recorded whole


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuWork:
    """Operations, one entry each; times in nanoseconds of the recording's clock."""

    start_ns: "Integers"
    end_ns: "Integers"
    kind: "Integers"
    device: "Integers"
    name: "Integers"  # position in names; of kernels alone
    configuration: "Integers"  # position in configurations; of kernels alone
    names: tuple[str, ...]
    configurations: tuple[tuple[Sizes, Sizes], ...]  # grid, block


@dataclass(frozen=True, slots=True, kw_only=True)
class Launches:
    """API calls with the operations they began, one entry a pair."""

    thread: "Integers"
    start_ns: "Integers"
    end_ns: "Integers"
    operation: "Integers"  # position in GpuWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Instances:
    """The times that a thread was within a range, one entry each."""

    range: "Integers"  # position among the ranges that were asked for
    thread: "Integers"
    start_ns: "Integers"
    end_ns: "Integers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """Which operations were launched in which instance: distinct pairs, sorted."""

    range_of: "Integers"  # by instance
    instance: "Integers"
    operation: "Integers"


def pair_launches(
    operation_key: "Integers", call_key: "Integers"
) -> "tuple[Integers, Integers]":
    """Positions of operations and of calls that have the same key, one entry a pair.

    Several calls may share a key: nsys 2022 wrote cudaLaunchKernel twice, under two
    names. One call may have begun many operations: a graph's.
    """
    import numpy as np

    order = np.argsort(call_key, kind="stable")
    keys = call_key[order]
    operation, call = _expand(
        np.searchsorted(keys, operation_key, side="left"),
        np.searchsorted(keys, operation_key, side="right"),
    )
    return operation, order[call]


def find_members(instances: Instances, launches: Launches) -> Members:
    """An operation belongs to every instance that its call lies in, on one thread."""
    import numpy as np

    pairs: list[tuple[Integers, Integers]] = []
    for thread in np.unique(instances.thread):
        here = np.flatnonzero(instances.thread == thread)
        calls = np.flatnonzero(launches.thread == thread)
        calls = calls[np.argsort(launches.start_ns[calls], kind="stable")]
        starts = launches.start_ns[calls]
        inside, position = _expand(
            np.searchsorted(starts, instances.start_ns[here], side="left"),
            np.searchsorted(starts, instances.end_ns[here], side="right"),
        )
        instance, call = here[inside], calls[position]
        ended = launches.end_ns[call] <= instances.end_ns[instance]
        pairs.append((instance[ended], launches.operation[call[ended]]))
    return _distinct(instances.range, pairs)


def whole_recording(work: GpuWork) -> Members:
    """All operations, as members of one instance of one range."""
    import numpy as np

    count = len(work.start_ns)
    return Members(
        range_of=np.zeros(1, dtype=np.int64),
        instance=np.zeros(count, dtype=np.int64),
        operation=np.arange(count, dtype=np.int64),
    )


def merge_instances(members: Members, owner: "Integers") -> Members:
    """Members with each instance replaced by its owner, which is of the same range."""
    pair = (owner[members.instance], members.operation)
    return _distinct(members.range_of, [pair])


def _distinct(
    range_of: "Integers", pairs: "list[tuple[Integers, Integers]]"
) -> Members:
    import numpy as np

    empty = np.empty((0, 2), dtype=np.int64)
    columns = [np.column_stack(pair) for pair in pairs]
    stacked = np.concatenate([empty, *columns])
    order = np.lexsort((stacked[:, 1], stacked[:, 0]))
    stacked = stacked[order]
    fresh = np.ones(len(stacked), dtype=bool)
    fresh[1:] = (stacked[1:] != stacked[:-1]).any(axis=1)
    return Members(
        range_of=range_of, instance=stacked[fresh, 0], operation=stacked[fresh, 1]
    )


def _expand(low: "Integers", high: "Integers") -> "tuple[Integers, Integers]":
    """Every position from ``low`` to before ``high``, with the entry it is of."""
    import numpy as np

    counts = np.maximum(high - low, 0)
    entry = np.repeat(np.arange(len(low), dtype=np.int64), counts)
    first = np.repeat(low - (np.cumsum(counts) - counts), counts)
    return entry, first + np.arange(len(entry), dtype=np.int64)
