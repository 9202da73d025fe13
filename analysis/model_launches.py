"""Launches under ncu, and which launches of a program's timeline each stands for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dsprof.analysis.merge_launches import merge_launches
from dsprof.harness.counters import Counters, counter_metrics
from dsprof.harness.records import Cache
from dsprof.harness.timeline import WHOLE, KernelTime, Timeline

# Bytes and FLOP of a launch; everything else is a rate, a share or a property.
_PER_LAUNCH = tuple(
    name
    for name, metrics in counter_metrics().items()
    if metrics.unit == "byte" or name.endswith(("_flops", "_ops"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedPart:
    """One launch under ncu, and the launches of the timeline that it stands for.

    Instances are a fraction where launches of one configuration differ in shared
    memory: nobody knows how many there were of each.
    """

    launch: Counters
    instances: float
    total_ns: float


def counted_parts(
    counters: Sequence[Counters], timeline: Timeline, range_name: str, kernel_name: str
) -> list[CountedPart]:
    """The launches under ncu of a kernel's launch configurations, the longest first.

    Where a configuration was captured cold and warm, the cold launches count; where
    it was captured again, the latest.
    """
    latest: dict[object, Counters] = {}
    for one in counters:
        if one.kernel_name == kernel_name and not one.label and _is_in(one, range_name):
            key = (one.grid, one.block, one.shared_memory_dynamic_bytes, one.cache)
            latest[key] = one
    parts = []
    for row in timeline.configurations(range_name, kernel_name):
        launches = _cold_first(row, latest.values())
        parts += [
            CountedPart(
                launch=launch,
                instances=row.instances / len(launches),
                total_ns=row.total_ns / len(launches),
            )
            for launch in launches
        ]
    return parts


def _is_in(launch: Counters, range_name: str) -> bool:
    """True also for a launch of a report without any ranges."""
    if range_name == WHOLE or not launch.ranges:
        return True
    # A range is "domain:message"; the message may have colons too.
    return any(range_name in {one, one.partition(":")[2]} for one in launch.ranges)


def _cold_first(row: KernelTime, launches: Iterable[Counters]) -> list[Counters]:
    same = [one for one in launches if (one.grid, one.block) == (row.grid, row.block)]
    states = {one.cache for one in same}
    state = next((s for s in (Cache.COLD, Cache.WARM) if s in states), None)
    return [one for one in same if one.cache is state]


def typical_launch(parts: Sequence[CountedPart]) -> Counters:
    """A mean launch of these parts; at least one part.

    Percentages are weighted by time in the timeline, bytes and FLOP by instances.
    """
    if len(parts) == 1:
        return parts[0].launch
    instances = sum(part.instances for part in parts)
    merged = merge_launches(tuple(_scaled(part) for part in parts))
    durations = [
        part.launch.duration_ns * part.instances
        for part in parts
        if part.launch.duration_ns is not None
    ]
    known = len(durations) == len(parts)
    means = {
        name: value / instances
        for name in _PER_LAUNCH
        if (value := getattr(merged, name)) is not None
    }
    return replace(
        merged, duration_ns=sum(durations) / instances if known else None, **means
    )


def _scaled(part: CountedPart) -> Counters:
    """All launches that a part stands for, as one that takes their time."""
    sums = {
        name: value * part.instances
        for name in _PER_LAUNCH
        if (value := getattr(part.launch, name)) is not None
    }
    return replace(part.launch, duration_ns=part.total_ns, **sums)
