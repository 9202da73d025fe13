"""GPU operations to the rows of a timeline: times of ranges and of kernels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.gpu_work import GpuWork, Kind, Members
from dsprof.harness.timeline import DeviceTime, KernelTime, RangeTime

if TYPE_CHECKING:
    from dsprof.analysis.gpu_work import Integers


def range_times(
    work: GpuWork, members: Members, labels: Sequence[tuple[str, str]]
) -> tuple[RangeTime, ...]:
    """The time of each range, in the order of ``labels`` (name and domain)."""
    import numpy as np

    walls, instances = _walls(work, members, len(labels))
    ranges, operations = _distinct_operations(members)
    bounds = np.searchsorted(ranges, np.arange(len(labels) + 1))
    times = []
    for position, (name, domain) in enumerate(labels):
        inside = operations[bounds[position] : bounds[position + 1]]
        kind = work.kind[inside]
        devices = np.unique(work.device[inside])
        times.append(
            RangeTime(
                name=name,
                domain=domain,
                instances=int(instances[position]),
                wall_ns=int(walls[position]),
                busy_ns=busy_ns(work.start_ns[inside], work.end_ns[inside]),
                kernel_ns=_total(work, inside[kind == Kind.KERNEL]),
                copy_ns=_total(work, inside[kind == Kind.COPY]),
                graph_ns=_total(work, inside[kind == Kind.GRAPH]),
                kernels=int((kind == Kind.KERNEL).sum()),
                devices=tuple(
                    _device_time(work, inside[work.device[inside] == device])
                    for device in (devices if len(devices) > 1 else ())
                ),
            )
        )
    return tuple(times)


def kernel_times(
    work: GpuWork, members: Members, names: Sequence[str]
) -> tuple[KernelTime, ...]:
    """Rows a range and kernel name, then rows a range and launch configuration."""
    ranges, operations = _distinct_operations(members)
    kernels = work.kind[operations] == Kind.KERNEL
    ranges, operations = ranges[kernels], operations[kernels]
    if not len(operations):
        return ()
    whole = _grouped(work, ranges, operations, names, by_configuration=False)
    return (*whole, *_grouped(work, ranges, operations, names, by_configuration=True))


def launch_mode(work: GpuWork, members: Members, in_graph: "Integers") -> str:
    """How the kernels were launched; ``in_graph`` is 1 where by a CUDA graph."""
    kernels = members.operation[work.kind[members.operation] != Kind.COPY]
    graphs = int(in_graph[kernels].sum())
    if graphs == 0:
        return "eager" if len(kernels) else ""
    return "CUDA graph" if graphs == len(kernels) else "eager and CUDA graph"


def busy_ns(start_ns: "Integers", end_ns: "Integers") -> int:
    """The length of the union of these intervals."""
    import numpy as np

    if not len(start_ns):
        return 0
    order = np.argsort(start_ns, kind="stable")
    start, end = start_ns[order], end_ns[order]
    reached = np.maximum.accumulate(end)
    fresh_start = np.maximum(start[1:], reached[:-1])
    added = np.maximum(end[1:] - fresh_start, 0).sum()
    return int(end[0] - start[0] + added)


def _walls(work: GpuWork, members: Members, count: int) -> "tuple[Integers, Integers]":
    """Wall time and number of instances with work, by range."""
    import numpy as np

    walls = np.zeros(count, dtype=np.int64)
    if not len(members.instance):
        return walls, walls.copy()
    instances, first = np.unique(members.instance, return_index=True)
    begin = np.minimum.reduceat(work.start_ns[members.operation], first)
    end = np.maximum.reduceat(work.end_ns[members.operation], first)
    ranges = members.range_of[instances]
    np.add.at(walls, ranges, end - begin)
    return walls, np.bincount(ranges, minlength=count)


def _distinct_operations(members: Members) -> "tuple[Integers, Integers]":
    """Ranges and their operations, sorted; each once where instances nest."""
    import numpy as np

    ranges = members.range_of[members.instance]
    order = np.lexsort((members.operation, ranges))
    ranges, operations = ranges[order], members.operation[order]
    fresh = _changes(ranges, operations)
    return ranges[fresh], operations[fresh]


def _changes(*columns: "Integers") -> "Integers":
    """Positions at which any of the columns differs from the entry before."""
    import numpy as np

    change = np.ones(len(columns[0]), dtype=bool)
    change[1:] = False
    for column in columns:
        change[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(change)


def _grouped(
    work: GpuWork,
    ranges: "Integers",
    operations: "Integers",
    names: Sequence[str],
    *,
    by_configuration: bool,
) -> list[KernelTime]:
    import numpy as np

    duration = work.end_ns[operations] - work.start_ns[operations]
    name = work.name[operations]
    configuration = work.configuration[operations]
    if not by_configuration:
        configuration = np.zeros_like(configuration)
    order = np.lexsort((duration, configuration, name, ranges))
    duration, device = duration[order], work.device[operations][order]
    name, configuration, ranges = name[order], configuration[order], ranges[order]
    first = _changes(ranges, name, configuration)
    count = np.diff(np.append(first, len(order)))
    total = np.add.reduceat(duration, first)
    # Durations are in order within a group, so its ends and middle are known.
    last = first + count - 1
    median = (duration[first + (count - 1) // 2] + duration[first + count // 2]) / 2
    squares = np.square(duration - np.repeat(total / count, count))
    deviation = np.sqrt(np.add.reduceat(squares, first) / np.maximum(count - 1, 1))
    lowest = np.minimum.reduceat(device, first)
    one_device = lowest == np.maximum.reduceat(device, first)
    rows = []
    for group, at in enumerate(first):
        sizes = work.configurations[configuration[at]] if by_configuration else None
        rows.append(
            KernelTime(
                range=names[ranges[at]],
                kernel_name=work.names[name[at]],
                grid=sizes[0] if sizes else None,
                block=sizes[1] if sizes else None,
                device=int(lowest[group]) if one_device[group] else None,
                instances=int(count[group]),
                total_ns=int(total[group]),
                median_ns=float(median[group]),
                min_ns=int(duration[at]),
                max_ns=int(duration[last[group]]),
                stddev_ns=float(deviation[group]),
            )
        )
    return rows


def _device_time(work: GpuWork, operations: "Integers") -> DeviceTime:
    kind = work.kind[operations]
    return DeviceTime(
        device=int(work.device[operations[0]]),
        busy_ns=busy_ns(work.start_ns[operations], work.end_ns[operations]),
        kernel_ns=_total(work, operations[kind == Kind.KERNEL]),
        copy_ns=_total(work, operations[kind == Kind.COPY]),
        kernels=int((kind == Kind.KERNEL).sum()),
    )


def _total(work: GpuWork, operations: "Integers") -> int:
    return int((work.end_ns[operations] - work.start_ns[operations]).sum())
