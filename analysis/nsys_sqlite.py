"""Read a whole program's timeline from an SQLite file that nsys exported.

A kernel is joined to the API call of its process with the same correlation id, and
the call to every range that its thread was in from its begin to its end. These are
the rules of nsys' own reports, and the sums are theirs to the nanosecond, but for one:
each kernel counts once here, also where nsys recorded its launch under two names.
"""

from collections.abc import Sequence
from pathlib import Path

from dsprof.analysis import nsys_about
from dsprof.analysis.asked_ranges import most_frequent, refuse_idle
from dsprof.analysis.gpu_work import Kind, Launches, find_members, whole_recording
from dsprof.analysis.nsys_about import RecordedGpu
from dsprof.analysis.nsys_database import EXPORT_AGAIN, NsysDatabase, open_nsys
from dsprof.analysis.nsys_ranges import count_ranges, find_ranges
from dsprof.analysis.nsys_work import (
    GRAPHS,
    KERNELS,
    NsysWork,
    read_launches,
    read_work,
)
from dsprof.analysis.timeline_rows import kernel_times, launch_mode, range_times
from dsprof.harness.errors import ProfileError
from dsprof.harness.timeline import WHOLE, Timeline, TimelineTool

PER_NODE = "--cuda-graph-trace=node"
_NS_PER_S = 1e9


def read_nsys_sqlite(path: Path, *, ranges: Sequence[str] = ()) -> Timeline:
    """The timeline of these NVTX ranges, or of the whole recording if none is named.

    A range is a message, in any domain, or ``message@domain``. ProfileError for a
    file that cannot be read, has no kernels, or lacks one of the ranges.
    """
    with open_nsys(path) as database:
        _refuse_without_kernels(database)
        recorded = read_work(database)
        counts = count_ranges(database)
        work = recorded.work
        members = whole_recording(work)
        times = range_times(work, members, ((WHOLE, ""),))
        names: tuple[str, ...] = (WHOLE,)
        notes = [*_work_notes(database, recorded), *nsys_about.complaints(database)]
        if ranges:
            launches = read_launches(database, recorded)
            last_ns = max(work.end_ns.max(), launches.end_ns.max(initial=0))
            found = find_ranges(database, ranges, counts, int(last_ns))
            members = find_members(found.instances, launches)
            names = tuple(name for name, _ in found.labels)
            times = (*times, *range_times(work, members, found.labels))
            idle = [time.name for time in times[1:] if not time.instances]
            if len(idle) == len(names):
                refuse_idle(path, names)
            notes += [*found.notes, *_launch_notes(recorded, launches, idle)]
        gpus = _gpus_that_worked(database, recorded)
        capabilities = {gpu.compute_capability for gpu in gpus}
        return Timeline(
            tool=TimelineTool.NSYS,
            tool_version=nsys_about.tool_version(database),
            program=nsys_about.program(database, _processes(recorded)),
            range=names[0],
            started=nsys_about.started(database),
            wall_s=_wall_s(database, recorded),
            mode=launch_mode(work, members, recorded.in_graph),
            ranges=times,
            seen_ranges=most_frequent(counts),
            device_names=tuple(dict.fromkeys(gpu.name for gpu in gpus)),
            compute_capability=capabilities.pop() if len(capabilities) == 1 else (0, 0),
            notes=tuple(notes),
            kernels=kernel_times(work, members, names),
        )


def range_names(path: Path) -> tuple[str, ...]:
    """The messages of the ranges in a file, the most frequent first."""
    with open_nsys(path) as database:
        return most_frequent(count_ranges(database))


def _refuse_without_kernels(database: NsysDatabase) -> None:
    if "StringIds" not in database.tables:
        raise ProfileError(
            f"{database.path} is an SQLite file, but none that nsys exported: it has "
            f"no table StringIds. {EXPORT_AGAIN}"
        )
    if database.count(KERNELS):
        return
    if graphs := database.count(GRAPHS):
        raise ProfileError(
            f"{database.path}: no kernels were recorded, only whole CUDA graphs "
            f"({graphs}). Record again with {PER_NODE}."
        )
    complaints = "; ".join(nsys_about.complaints(database))
    said = f" It says: {complaints}." if complaints else ""
    raise ProfileError(
        f"{database.path}: no kernels were recorded.{said} Likely the recorded part "
        "launched none, nsys ran without -t cuda, or another profiler held the GPU. "
        "Record again, and check with: nsys stats --report cuda_gpu_kern_sum."
    )


def _work_notes(database: NsysDatabase, recorded: NsysWork) -> list[str]:
    notes = []
    if left := recorded.without_times:
        notes.append(f"{left} operations have no times and are left out")
    if graphs := database.count(GRAPHS):
        notes.append(
            f"CUDA graphs that were recorded whole: {graphs}; their kernels are not "
            f"in this timeline. Record with {PER_NODE} for them"
        )
    processes = _processes(recorded)
    if len(processes) > 1:
        notes.append(f"{len(processes)} processes are taken together")
    return notes


def _launch_notes(
    recorded: NsysWork, launches: Launches, idle: Sequence[str]
) -> list[str]:
    import numpy as np

    notes = [f"no GPU work was launched in range '{name}'" for name in idle]
    kernels = recorded.work.kind == Kind.KERNEL
    called = np.zeros(len(kernels), dtype=bool)
    called[launches.operation] = True
    if alone := int((kernels & ~called).sum()):
        notes.append(
            f"{alone} of {int(kernels.sum())} kernels have no launch in the file, so "
            "they are in no range"
        )
    return notes


def _processes(recorded: NsysWork) -> list[int]:
    """The global pids of the processes that launched kernels."""
    import numpy as np

    kernels = recorded.work.kind == Kind.KERNEL
    return [int(process) for process in np.unique(recorded.process[kernels])]


def _gpus_that_worked(
    database: NsysDatabase, recorded: NsysWork
) -> tuple[RecordedGpu, ...]:
    import numpy as np

    known = nsys_about.gpus(database)
    devices = np.unique(recorded.work.device[recorded.work.kind == Kind.KERNEL])
    return tuple(known[int(id_)] for id_ in devices if int(id_) in known)


def _wall_s(database: NsysDatabase, recorded: NsysWork) -> float:
    """What nsys says it recorded, else from the first GPU operation to the last."""
    said = nsys_about.wall_s(database)
    if said is not None:
        return said
    work = recorded.work
    return float(work.end_ns.max() - work.start_ns.min()) / _NS_PER_S
