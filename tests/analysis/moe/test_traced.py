from dataclasses import replace

from dsprof.analysis.moe.attained import implications, regime_findings
from dsprof.analysis.moe.spans import Span, spans
from dsprof.analysis.moe.study import Study
from dsprof.analysis.moe.traced import clock_findings, growth_findings, nearest_roof
from dsprof.analysis.roofs import RoofKind
from dsprof.harness.records import Bound
from tests.conftest import Factory


def span_of(study: Study, bound: Bound) -> Span:
    return next(span for span in spans(study) if span.bound is bound)


def test_the_worst_point_says_what_its_launches_take(whole_study: Study) -> None:
    library = regime_findings(whole_study, Bound.MEMORY)[0]
    # (8 x 44,050,944 + 28,672) B / 4 TB/s = 88.1 us; of 140 us, 120, 10 and 5.
    assert library.detail.endswith(
        "least at T = 1, where it takes 150 us instead of 88.1, 85.7 % in GEMMs by its "
        "launches, 7.14 % in gate and 3.57 % in gaps."
    )


def test_where_compute_limits_both_measured_roofs_are_named(whole_study: Study) -> None:
    library = regime_findings(whole_study, Bound.COMPUTE)[0]
    # 5.7724e12 FLOP in 6,500 us are 888 TFLOP/s, of 1,000 and of 900.
    assert library.detail.startswith(
        "88.8 % of the burst roof and 98.7 % of the sustained roof at T = 8,192"
    )


def test_clocks_say_which_roof_is_like_for_like(
    whole_study: Study, make_timing: Factory
) -> None:
    (finding,) = clock_findings(whole_study, span_of(whole_study, Bound.COMPUTE))
    assert finding.detail == (
        "SMs at 1,500 MHz, 700 W, sw_power_cap at T = 8,192; the burst roof at 1,980 "
        "MHz and 500 W; the sustained roof at 1,455 MHz and 500 W. Nearest in clock, "
        "and so the like-for-like roof: sustained at T = 8,192."
    )
    ceilings = whole_study.ceilings
    for clock_mhz, kind in ((1980, RoofKind.BURST), (1500, RoofKind.SUSTAINED)):
        assert nearest_roof(ceilings, make_timing(sm_clock_mhz=clock_mhz)) is kind


def test_clocks_that_nothing_held_down_say_so(whole_study: Study) -> None:
    (finding,) = clock_findings(whole_study, span_of(whole_study, Bound.MEMORY))
    assert finding.detail.startswith("SMs at 1,980 MHz, 400 W, no throttle reason;")
    assert finding.detail.endswith("burst at T = 1 and 128.")


def test_a_sum_of_calls_has_no_clock_of_its_own(whole_study: Study) -> None:
    recorded = replace(whole_study.recorded, pipelines=())
    sums = replace(whole_study, recorded=recorded)
    assert list(clock_findings(sums, span_of(sums, Bound.COMPUTE))) == []


def test_what_grows_is_told_from_the_first_size_to_the_last(
    whole_study: Study,
) -> None:
    span = span_of(whole_study, Bound.MEMORY)
    assert list(growth_findings(span)) == []  # one size has launches
    first, last = span.points
    whole, made = first.point.whole, first.point.breakdown
    assert whole is not None
    assert made is not None
    longer = replace(
        made,
        launches=tuple(
            replace(launch, time_us=launch.time_us * factor)
            for launch, factor in zip(made.launches, (2, 10, 9, 10), strict=True)
        ),
    )
    grown = replace(
        span,
        points=(
            first,
            replace(
                last,
                point=replace(last.point, whole=replace(whole, breakdown=longer)),
            ),
        ),
    )
    (finding,) = growth_findings(grown)
    # 20 + 800 + 45 + 400 + 5 = 1,270 us, 70 of them no GEMM.
    assert finding.detail == (
        "of what is no GEMM, activation grows most, from 5.00 to 45.0 us, 3.57 to 3.54 "
        "% of the time; all of it goes from 14.3 to 5.51 %."
    )
    assert list(growth_findings(replace(grown, points=grown.points[::-1]))) == []


def test_implications_follow_from_launches(whole_study: Study) -> None:
    found = {one.title: one.detail for one in implications(whole_study)}
    # 10 of 96 us.
    assert found["our_moe, one graph, memory-bound, gate"] == (
        "at most 10.4 % of the time (T = 1, 10.0 us): twice as fast, it saves 5.21 %."
    )
    assert found["our_moe, one graph, compute-bound"] == (
        "most time is to be won at T = 8,192: 1,228 of 7,000 us; of its launches "
        "nothing was recorded."
    )
    # 150 - 88.1 us; GEMMs 120 - 88.1, gate and activation 15, gaps 5.
    assert found["library_moe, one graph, memory-bound"] == (
        "most time is to be won at T = 1: 61.9 of 150 us, by its launches 31.9 us in "
        "GEMMs, 15.0 us in other launches and 5.00 us in gaps."
    )
