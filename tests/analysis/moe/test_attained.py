from dataclasses import replace

import pytest

from dsprof.analysis.moe.attained import implications, regime_findings
from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.spans import spans
from dsprof.analysis.moe.study import Study, analytic_study, recorded_study
from dsprof.analysis.roofs import RoofKind
from dsprof.harness.profile import Profile
from dsprof.harness.records import Bound
from tests.analysis.moe.made import DEEPSEEK, LIBRARY, OURS, moe_profile
from tests.conftest import Factory


@pytest.fixture
def study(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> Study:
    profile = moe_profile(make_profile, make_measurement, make_timing)
    return recorded_study(profile, DEEPSEEK, Routing.EXPECTED, (1,))


def test_a_regime_says_what_was_reached_and_where_least_was(study: Study) -> None:
    whole, gemms, quickest = regime_findings(study, Bound.MEMORY)
    # (8 x 44,050,944 + 28,672) B / 4 TB/s = 88.1 of 141 us; 2,765 of 2,500 us.
    assert whole.detail.startswith("62.5 to 111 % of the burst roof at T = 1 and 128")
    assert whole.detail.endswith(
        "least at T = 1, where it takes 141 us instead of 88.1, 7.09 % of them in "
        "calls that read no weights."
    )
    assert gemms.title == "group_gemm, sum of calls"
    assert quickest.detail == "group_gemm at 1; whole_moe at 128 tokens."


def test_one_that_is_quickest_at_every_size_is_named_once(whole_study: Study) -> None:
    (*_, memory) = regime_findings(whole_study, Bound.MEMORY)
    assert memory.title == "Quickest"
    assert memory.detail == "our_moe at every size, T = 1 and 128."


def test_points_nearly_as_good_as_the_best_are_listed(
    with_pipelines: Profile, make_timing: Factory
) -> None:
    best = next(
        row
        for row in with_pipelines.measurements
        if row.point.kernel == OURS and row.point.tokens == 128
    )
    # 2,765 us at the roof: 111 % in 2,500 us, 102 % in 2,700; T = 1 has 88.1 %.
    near = replace(
        best,
        point=replace(best.point, batch_size=127),
        cold=make_timing(median_us=2700.0),
    )
    more = replace(with_pipelines, measurements=(*with_pipelines.measurements, near))
    study = recorded_study(more, DEEPSEEK, Routing.EXPECTED, (1,))
    found = {one.title: one.detail for one in regime_findings(study, Bound.MEMORY)}
    ours, library = (found[f"{name}, one graph"] for name in (OURS, LIBRARY))
    assert "(4.42 TB/s), within 10 % of that at T = 127 and 128, least" in ours
    assert "within" not in library


def test_a_point_near_the_ridge_says_what_the_other_side_asks_for(
    study: Study,
) -> None:
    burst = study.roofs[RoofKind.BURST]

    def worst(flops_per_s: float) -> str:
        roof = replace(burst, flops_per_s=flops_per_s)
        near = replace(study, roofs={**study.roofs, RoofKind.BURST: roof})
        return regime_findings(near, Bound.MEMORY)[0].detail

    # T = 1 moves bytes for 88.1 us; its 704.6 MFLOP take 70.5 us at 10 TFLOP/s.
    assert "141 us instead of 88.1 (computing alone 70.5), " in worst(10e12)
    assert "alone" not in worst(20e12)


def test_compute_is_said_in_flops(study: Study) -> None:
    whole = regime_findings(study, Bound.COMPUTE)[0]
    # 5.7724e12 FLOP in 6,040 us.
    assert "most at T = 8,192 (956 TFLOP/s)" in whole.detail


def test_implications_split_what_is_to_be_won(study: Study) -> None:
    found = {one.title: one.detail for one in implications(study)}
    # 6,200 - 5,772 = 428 us; its GEMMs take 6,160: 388 above the roof.
    assert found["group_gemm, sum of calls, compute-bound"] == (
        "most time is to be won at T = 8,192: 428 of 6,200 us, of which 388 us in the "
        "calls that read the weights."
    )
    assert found["group_gemm, sum of calls, memory-bound, gate topk"] == (
        "at most 7.69 % of the time (T = 1, 10.0 us): twice as fast, it saves 3.85 %."
    )


def test_without_measured_roofs_the_share_is_of_the_rated_one(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> None:
    profile = moe_profile(make_profile, make_measurement, make_timing)
    rated = recorded_study(
        replace(profile, ceilings=()), DEEPSEEK, Routing.EXPECTED, (1,)
    )
    assert "of the rated roof" in regime_findings(rated, Bound.MEMORY)[0].detail


def test_nothing_measured_has_no_spans(study: Study) -> None:
    bare = analytic_study(study.device, DEEPSEEK, Routing.EXPECTED, (1,))
    assert not spans(bare)
    assert implications(bare) == []
    assert regime_findings(bare, Bound.MEMORY) == []
