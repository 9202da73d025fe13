"""Traces the launches of a sweep's points, in a process of their own.

It comes after all timings, so that none of them sees a profiler.
"""

from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from dsprof.harness.bench import Traced
from dsprof.harness.profile import Profile
from dsprof.harness.records import Point, Status, Sweep
from dsprof.harness.restarting_worker import RestartingWorker
from dsprof.harness.store import ProfileWriter

Watch: TypeAlias = Callable[[Traced, int], None]
"""Sees each traced point once it is on disk, and how many are left."""


def untraced(profile: Profile, planned: Collection[Point], sweep: Sweep) -> list[Point]:
    """Timed points of the plan without launches in one of the sweep's cache states."""
    done = {(span.label, span.cache) for span in profile.launches}
    return [
        row.point
        for row in profile.measurements
        if row.status is Status.OK
        and row.point in planned
        and any((row.point.label, cache) not in done for cache in sweep.caches)
    ]


def trace_launches(
    writer: ProfileWriter,
    points: Sequence[Point],
    worker: RestartingWorker,
    watch: Watch,
) -> None:
    """Add the launches of each point, on disk before the next is traced.

    The worker has timed nothing and is closed in the end.
    """
    try:
        for done, point in enumerate(points, start=1):
            traced = worker.trace(point)
            if traced.launches:
                writer.add_launches(traced.launches)
            watch(traced, len(points) - done)
    finally:
        worker.close()
