from dataclasses import replace

import pytest

from dsprof.analysis.moe.geometry import NumberFormat
from dsprof.analysis.moe.pipelines import pipeline_curves, untimed_pipelines
from dsprof.analysis.moe.recorded import recorded_curves
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Phase, Status
from tests.analysis.moe.made import DEEPSEEK, LIBRARY, OURS, TOUCHED, make_geometry
from tests.conftest import Factory


def test_a_pipeline_is_one_graph_with_its_own_time(with_pipelines: Profile) -> None:
    library, ours = pipeline_curves(with_pipelines, DEEPSEEK)
    assert (library.title, ours.title) == (
        "library_moe, one graph",
        "our_moe, one graph",
    )
    assert [(point.tokens, point.time_us) for point in library.points] == [
        (1, 150),
        (128, 2600),
        (8192, 6500),
    ]
    assert [point.experts for point in ours.points] == list(TOUCHED.values())
    assert library.cache is Cache.COLD


def test_launches_belong_to_the_point_of_their_label(with_pipelines: Profile) -> None:
    for curve in pipeline_curves(with_pipelines, DEEPSEEK):
        assert [point.breakdown is not None for point in curve.points] == [
            True,
            False,
            False,
        ]


def test_pipelines_are_preferred_and_sums_kept_apart(with_pipelines: Profile) -> None:
    found = recorded_curves(with_pipelines, DEEPSEEK)
    assert found.preferred == found.pipelines
    assert [curve.title for curve in found.curves] == [
        "library_moe, one graph",
        "our_moe, one graph",
        "whole_moe, sum of calls",
        "group_gemm, sum of calls",
    ]
    without = tuple(
        row for row in with_pipelines.measurements if row.point.op != "routed experts"
    )
    sums = recorded_curves(replace(with_pipelines, measurements=without), DEEPSEEK)
    assert sums.preferred == sums.sums == found.sums


def test_pipelines_need_no_layer(with_pipelines: Profile) -> None:
    found = recorded_curves(replace(with_pipelines, slots=()), DEEPSEEK)
    assert len(found.pipelines) == 2
    assert found.sums == ()
    assert found.why_none == ""


def test_several_points_of_a_size_are_the_middle_one(
    with_pipelines: Profile, make_timing: Factory
) -> None:
    first = next(
        row
        for row in with_pipelines.measurements
        if row.point.kernel == OURS and row.point.tokens == 1
    )
    more = [
        replace(first, cold=make_timing(median_us=time_us, power_w=time_us))
        for time_us in (90.0, 200.0)
    ]
    both = replace(with_pipelines, measurements=(*with_pipelines.measurements, *more))
    point = pipeline_curves(both, DEEPSEEK)[1].points[0]
    assert point.time_us == 100
    assert point.whole is not None
    assert point.whole.timing.power_w == 400  # of that very point


def test_of_several_points_of_a_size_one_with_launches_is_taken(
    with_pipelines: Profile, make_timing: Factory
) -> None:
    first = next(
        row
        for row in with_pipelines.measurements
        if row.point.kernel == OURS and row.point.tokens == 1
    )
    as_prefill = replace(
        first,
        point=replace(first.point, phase=Phase.PREFILL),
        cold=make_timing(median_us=90.0),
    )
    both = replace(
        with_pipelines, measurements=(*with_pipelines.measurements, as_prefill)
    )
    point = pipeline_curves(both, DEEPSEEK)[1].points[0]
    assert point.time_us == 100
    assert point.breakdown is not None
    untraced = pipeline_curves(replace(both, launches=()), DEEPSEEK)[1].points[0]
    assert untraced.time_us == 90


def test_another_provider_is_another_pipeline(with_pipelines: Profile) -> None:
    rows = [row for row in with_pipelines.measurements if row.point.kernel == OURS]
    others = tuple(
        replace(row, point=replace(row.point, provider="vllm")) for row in rows
    )
    both = replace(with_pipelines, measurements=(*with_pipelines.measurements, *others))
    names = [curve.name for curve in pipeline_curves(both, DEEPSEEK)]
    assert names == [LIBRARY, OURS, "our_moe (vllm)"]


def test_warm_times_are_taken_where_a_point_has_no_cold_one(
    with_pipelines: Profile,
) -> None:
    rows = tuple(replace(row, cold=None) for row in with_pipelines.measurements)
    curves = pipeline_curves(replace(with_pipelines, measurements=rows), DEEPSEEK)
    assert {curve.cache for curve in curves} == {Cache.WARM}
    assert all(point.breakdown is None for curve in curves for point in curve.points)


@pytest.mark.parametrize("status", [Status.INCORRECT, Status.FAILED, Status.TIMEOUT])
def test_a_point_without_a_time_is_kept_and_is_on_no_curve(
    with_pipelines: Profile, status: Status
) -> None:
    rows = tuple(
        replace(row, status=status, reason="why", warm=None, cold=None)
        if row.point.kernel == OURS and row.point.tokens == 128
        else row
        for row in with_pipelines.measurements
    )
    broken = replace(with_pipelines, measurements=rows)
    _, ours = pipeline_curves(broken, DEEPSEEK)
    assert [point.tokens for point in ours.points] == [1, 8192]
    (row,) = untimed_pipelines(broken, DEEPSEEK)
    assert (row.point.kernel, row.point.tokens, row.reason) == (OURS, 128, "why")
    assert recorded_curves(broken, DEEPSEEK).untimed == (row,)


def test_a_pipeline_of_another_format_is_not_of_this_geometry(
    with_pipelines: Profile,
) -> None:
    bf16 = make_geometry(number_format=NumberFormat.BF16, block_size=1)
    assert pipeline_curves(with_pipelines, bf16) == ()
