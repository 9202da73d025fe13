"""Whole pipelines of the routed experts, each timed as one CUDA graph."""

from collections import defaultdict
from collections.abc import Sequence

from dsprof.analysis.moe.breakdown import Breakdown, breakdowns
from dsprof.analysis.moe.curves import Curve, CurvePoint, Stage, Whole
from dsprof.analysis.moe.experts_read import WHOLE_STEP, experts_with_rows
from dsprof.analysis.moe.geometry import Geometry
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Call, Measurement, Status, Timing


def pipeline_curves(profile: Profile, geometry: Geometry) -> tuple[Curve, ...]:
    """A curve a pipeline that has a time, in the order in which they were recorded."""
    of_way: dict[tuple[str, str], list[Measurement]] = defaultdict(list)
    for row in _of_format(profile, geometry):
        if row.status is Status.OK:
            of_way[row.point.kernel, row.point.provider].append(row)
    curves = (
        _curve(
            profile, f"{kernel} ({provider})" if provider else kernel, rows, geometry
        )
        for (kernel, provider), rows in of_way.items()
    )
    return tuple(curve for curve in curves if curve.points)


def untimed_pipelines(profile: Profile, geometry: Geometry) -> tuple[Measurement, ...]:
    """The points of a pipeline that were planned and have no time."""
    rows = (
        row
        for row in profile.measurements
        if row.point.op == WHOLE_STEP and row.status is not Status.OK
    )
    path = geometry.number_format.datapath
    return tuple(row for row in rows if not row.flops or row.datapath is path)


def _of_format(profile: Profile, geometry: Geometry) -> list[Measurement]:
    path = geometry.number_format.datapath
    return [
        row
        for row in profile.measurements
        if row.point.op == WHOLE_STEP and row.datapath is path
    ]


def _curve(
    profile: Profile, name: str, rows: Sequence[Measurement], geometry: Geometry
) -> Curve:
    cache = Cache.COLD if all(row.cold for row in rows) else Cache.WARM
    launched = breakdowns(profile, cache)
    of_size: dict[int, list[tuple[Measurement, Timing]]] = defaultdict(list)
    for row in rows:
        if timing := row.timing(cache):
            of_size[row.point.tokens].append((row, timing))
    return Curve(
        name=name,
        calls=(_call(rows[0]),),
        cache=cache,
        points=tuple(
            _point(_middle(_traced(found, launched)), launched, geometry)
            for _, found in sorted(of_size.items())
        ),
        is_one_graph=True,
    )


def _traced(
    found: Sequence[tuple[Measurement, Timing]], launched: dict[str, Breakdown]
) -> Sequence[tuple[Measurement, Timing]]:
    """Of the points of a size those with launches, so that a time and these are one's.

    A decode and a prefill point of as many tokens do the same work, and a capture of
    counters times its points once more, without launches.
    """
    return [pair for pair in found if pair[0].point.label in launched] or found


def _middle(found: Sequence[tuple[Measurement, Timing]]) -> tuple[Measurement, Timing]:
    """The point with the median time, so that all of its facts are of one run."""
    ordered = sorted(found, key=lambda pair: pair[1].median_us)
    return ordered[(len(ordered) - 1) // 2]


def _point(
    timed: tuple[Measurement, Timing],
    launched: dict[str, Breakdown],
    geometry: Geometry,
) -> CurvePoint:
    row, timing = timed
    return CurvePoint(
        tokens=row.point.tokens,
        stages=(Stage(call=_call(row), time_us=timing.median_us),),
        experts=experts_with_rows([row], geometry),
        whole=Whole(row=row, timing=timing, breakdown=launched.get(row.point.label)),
    )


def _call(row: Measurement) -> Call:
    return Call(kernel=row.point.kernel, op=row.point.op)
