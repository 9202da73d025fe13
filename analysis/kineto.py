"""Read a whole program's timeline from a trace of torch.profiler (Kineto).

A kernel is joined to the CUDA call with its correlation id, and the call to every
``record_function`` range that its thread was in from its begin to its end. A kernel
whose call is not in the trace is placed by ``gpu_user_annotation``, the profiler's own
projection of ranges to streams. Names stay as the trace has them, which is the GCC
demangler's form; times are whole nanoseconds.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dsprof.analysis.asked_ranges import (
    choose_reading,
    most_frequent,
    refuse_idle,
    refuse_unseen,
)
from dsprof.analysis.gpu_work import (
    GpuWork,
    Instances,
    Kind,
    Launches,
    Members,
    find_members,
    merge_instances,
    whole_recording,
)
from dsprof.analysis.kineto_file import Category, Event, KinetoTrace, load_trace
from dsprof.analysis.kineto_work import (
    TracedWork,
    integers,
    launched_by_graph,
    positions,
    read_traced_work,
)
from dsprof.analysis.timeline_rows import kernel_times, launch_mode, range_times
from dsprof.harness.timeline import WHOLE, Timeline, TimelineTool

if TYPE_CHECKING:
    from dsprof.analysis.gpu_work import Integers

_NS_PER_S = 1e9
_ROUNDING_NS = 2  # Kineto rounds start and length alone; 1 was seen


def read_kineto(path: Path, *, ranges: Sequence[str] = ()) -> Timeline:
    """The timeline of these ranges, or of the whole recording if none is named.

    ProfileError for a file that cannot be read, has no kernels, or lacks a range.
    """
    trace = load_trace(path)
    traced = read_traced_work(path, trace)
    work = traced.work
    counts = _count_ranges(trace)
    members = whole_recording(work)
    times = range_times(work, members, ((WHOLE, ""),))
    names: tuple[str, ...] = (WHOLE,)
    notes = _notes(trace)
    if ranges:
        names = _choose(path, ranges, counts)
        members, more = _find(trace, traced, names)
        times = (*times, *range_times(work, members, [(name, "") for name in names]))
        idle = [time.name for time in times[1:] if not time.instances]
        if len(idle) == len(names):
            refuse_idle(path, names)
        notes += [f"no GPU work was launched in range '{name}'" for name in idle]
        notes += more
    devices = _devices_that_worked(trace, work)
    capabilities = {capability for _, capability in devices}
    return Timeline(
        tool=TimelineTool.TORCH,
        range=names[0],
        started=_started(trace),
        wall_s=_wall_s(trace),
        mode=launch_mode(work, members, launched_by_graph(traced)),
        ranges=times,
        seen_ranges=most_frequent(counts),
        device_names=tuple(dict.fromkeys(name for name, _ in devices)),
        compute_capability=capabilities.pop() if len(capabilities) == 1 else (0, 0),
        notes=tuple(notes),
        kernels=kernel_times(work, members, names),
    )


def _find(
    trace: KinetoTrace, traced: TracedWork, names: tuple[str, ...]
) -> tuple[Members, list[str]]:
    """Operations of these ranges, and notes on those that have no call."""
    import numpy as np

    position = {name: at for at, name in enumerate(names)}
    ranges = [event for event in trace.of(Category.RANGE) if event.name in position]
    shadows = [
        _widened(event)
        for event in trace.of(Category.GPU_RANGE)
        if event.name in position
    ]
    operation, call = traced.call_of
    alone = np.ones(len(traced.events), dtype=bool)
    alone[operation] = False
    lone = np.flatnonzero(alone)
    # What has no call stands for itself, on its stream.
    begun = [*(traced.calls[at] for at in call), *(traced.events[at] for at in lone)]
    around = [*ranges, *shadows]
    threads, _ = positions([_thread(event) for event in (*begun, *around)])
    instances = Instances(
        range=integers([position[event.name] for event in around]),
        thread=threads[len(begun) :],
        start_ns=integers([event.start_ns for event in around]),
        end_ns=integers([event.end_ns for event in around]),
    )
    launches = Launches(
        thread=threads[: len(begun)],
        start_ns=integers([event.start_ns for event in begun]),
        end_ns=integers([event.end_ns for event in begun]),
        operation=np.concatenate([operation, lone]),
    )
    found = find_members(instances, launches)
    notes = _lone_notes(traced, lone, found)
    return merge_instances(found, _owners(ranges, shadows)), notes


def _widened(shadow: Event) -> Event:
    """A range's projection, so wide that rounding leaves none of its kernels out."""
    return replace(
        shadow,
        start_ns=shadow.start_ns - _ROUNDING_NS,
        end_ns=shadow.end_ns + _ROUNDING_NS,
    )


def _owners(ranges: list[Event], shadows: list[Event]) -> "Integers":
    """By instance, the range that it is: a shadow is its range's, by external id."""
    ids = {
        (event.name, event.integer("External id")): at
        for at, event in enumerate(ranges)
    }
    own = list(range(len(ranges)))
    theirs = [
        ids.get((event.name, event.integer("External id")), len(ranges) + at)
        for at, event in enumerate(shadows)
    ]
    return integers([*own, *theirs])


def _thread(event: Event) -> tuple[bool, str, str]:
    """A thread of the program, or a stream of a GPU."""
    on_gpu = event.category not in {
        Category.CALL,
        Category.DRIVER_CALL,
        Category.RANGE,
    }
    return on_gpu, event.process, event.thread


def _lone_notes(traced: TracedWork, lone: "Integers", found: Members) -> list[str]:
    import numpy as np

    kernels = lone[traced.work.kind[lone] == Kind.KERNEL]
    if not len(kernels):
        return []
    placed = int(np.isin(kernels, found.operation).sum())
    total = int((traced.work.kind == Kind.KERNEL).sum())
    note = (
        f"{len(kernels)} of {total} kernels have no launch in the trace; "
        f"gpu_user_annotation places {placed} of them, the others are in no range"
    )
    return [note]


def _choose(path: Path, asked: Sequence[str], counts: Counter[str]) -> tuple[str, ...]:
    """The names asked for; torch.profiler has no domains."""
    domains = dict.fromkeys(counts, ("",))
    chosen = {name: choose_reading(name, domains) for name in dict.fromkeys(asked)}
    absent = [name for name, reading in chosen.items() if reading is None]
    refuse_unseen(path, absent, counts)
    return tuple(dict.fromkeys(found.message for found in chosen.values() if found))


def _count_ranges(trace: KinetoTrace) -> Counter[str]:
    """How often each range occurs: on the GPU, where a trace has no CPU events."""
    counts = Counter(event.name for event in trace.of(Category.GPU_RANGE))
    return counts | Counter(event.name for event in trace.of(Category.RANGE))


def _notes(trace: KinetoTrace) -> list[str]:
    if not trace.without_times:
        return []
    return [f"{trace.without_times} events have no times and are left out"]


def _devices_that_worked(
    trace: KinetoTrace, work: GpuWork
) -> list[tuple[str, tuple[int, int]]]:
    import numpy as np

    used = np.unique(work.device[work.kind == Kind.KERNEL])
    return [trace.devices[int(id_)] for id_ in used if int(id_) in trace.devices]


def _started(trace: KinetoTrace) -> str:
    """ISO 8601 in UTC; empty where the times count from an unknown moment."""
    if not trace.base_ns:
        return ""
    first = trace.base_ns + min(event.start_ns for event in trace.events)
    return datetime.fromtimestamp(first // int(_NS_PER_S), UTC).isoformat()


def _wall_s(trace: KinetoTrace) -> float:
    """The profiler's own span, else from the first event to the last."""
    events = trace.of(Category.SPAN) or list(trace.events)
    first = min(event.start_ns for event in events)
    return (max(event.end_ns for event in events) - first) / _NS_PER_S
