"""GPU operations of a Kineto trace, and the CUDA calls that began them."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dsprof.analysis.gpu_work import GpuWork, Kind, Sizes, pair_launches
from dsprof.analysis.kineto_file import Category, Event, KinetoTrace
from dsprof.harness.errors import ProfileError

if TYPE_CHECKING:
    from dsprof.analysis.gpu_work import Integers

Value = TypeVar("Value", bound=Hashable)
UNKNOWN_SIZES: Sizes = (0, 0, 0)  # of a kernel without grid or block
_DIMENSIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedWork:
    """A trace's GPU work with what joins it to CUDA calls."""

    events: list[Event]  # of the GPU, in order of start
    work: GpuWork
    calls: list[Event]
    call_of: "tuple[Integers, Integers]"  # operation and call, one entry a pair


def read_traced_work(path: Path, trace: KinetoTrace) -> TracedWork:
    import numpy as np

    events = trace.of(Category.KERNEL, Category.COPY, Category.SET)
    if not any(event.category is Category.KERNEL for event in events):
        raise ProfileError(
            f"{path}: no kernels were recorded. Record again with "
            "activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA] around GPU work, "
            "and with no other profiler on the GPU."
        )
    events.sort(key=lambda event: event.start_ns)
    calls = trace.of(Category.CALL, Category.DRIVER_CALL)
    kernels = [event.category is Category.KERNEL for event in events]
    name, names = positions(
        [event.name if own else "" for event, own in zip(events, kernels, strict=True)]
    )
    sizes = [(_sizes(event, "grid"), _sizes(event, "block")) for event in events]
    configuration, configurations = positions(sizes)
    work = GpuWork(
        start_ns=integers([event.start_ns for event in events]),
        end_ns=integers([event.end_ns for event in events]),
        kind=np.where(kernels, Kind.KERNEL, Kind.COPY).astype(np.int64),
        device=integers([_device(event) for event in events]),
        name=name,
        configuration=configuration,
        names=names,
        configurations=configurations,
    )
    return TracedWork(
        events=events, work=work, calls=calls, call_of=_pair(events, calls)
    )


def _pair(events: list[Event], calls: list[Event]) -> "tuple[Integers, Integers]":
    """GPU events with the calls of their correlation id; 0 stands for none."""
    import numpy as np

    own = integers([event.integer("correlation") or 0 for event in events])
    theirs = integers([call.integer("correlation") or 0 for call in calls])
    known, called = np.flatnonzero(own), np.flatnonzero(theirs)
    operation, call = pair_launches(own[known], theirs[called])
    return known[operation], called[call]


def launched_by_graph(traced: TracedWork) -> "Integers":
    """By operation, 1 where a CUDA graph launched it."""
    import numpy as np

    in_graph = np.array(
        [bool(event.integer("graph node id")) for event in traced.events], dtype=bool
    )
    operation, call = traced.call_of
    replays = np.array(["GraphLaunch" in event.name for event in traced.calls])
    in_graph[operation[replays[call].astype(bool)]] = True
    return in_graph.astype(np.int64)


def _device(event: Event) -> int:
    device = event.integer("device")
    if device is not None:
        return device
    return int(event.process) if event.process.isdecimal() else 0


def _sizes(event: Event, key: str) -> Sizes:
    value = event.values.get(key)
    if isinstance(value, list) and len(value) == _DIMENSIONS:
        x, y, z = value
        if type(x) is type(y) is type(z) is int:
            return x, y, z
    return UNKNOWN_SIZES


def positions(values: Sequence[Value]) -> "tuple[Integers, tuple[Value, ...]]":
    """Each value's position among the distinct ones, and those."""
    index = {value: at for at, value in enumerate(dict.fromkeys(values))}
    return integers([index[value] for value in values]), tuple(index)


def integers(values: Sequence[int]) -> "Integers":
    import numpy as np

    return np.array(values, dtype=np.int64)
