from dataclasses import replace

import pytest

from dsprof.analysis.moe.geometry import NumberFormat
from dsprof.analysis.moe.recorded import Recorded, recorded_curves
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, ModelParameter, Status
from dsprof.harness.store import find_bundled_profile, load_profile
from dsprof.kernels.routed import distinct_experts
from tests.analysis.moe.made import (
    DEEPSEEK,
    FUSED,
    GATE,
    TIMES_US,
    TOUCHED,
    UP,
    make_geometry,
    moe_profile,
)
from tests.conftest import Factory


@pytest.fixture
def profile(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> Profile:
    return moe_profile(make_profile, make_measurement, make_timing)


@pytest.fixture(scope="module")
def bundled() -> Recorded:
    return recorded_curves(load_profile(find_bundled_profile()), DEEPSEEK)


def test_a_way_is_the_sum_of_its_calls_and_has_its_gemms_name(
    profile: Profile,
) -> None:
    whole, gemms = recorded_curves(profile, DEEPSEEK).curves
    assert (whole.name, gemms.name) == ("whole_moe", "group_gemm")
    assert [point.tokens for point in whole.points] == [1, 128, 8192]
    assert [point.time_us for point in gemms.points] == [130, 2570, 6200]
    assert gemms.cache is Cache.COLD
    first = gemms.points[0]
    assert first.gemm_us == 120
    assert [stage.call for stage in first.others] == [GATE]


def test_the_experts_that_got_a_row_follow_from_the_bytes(profile: Profile) -> None:
    for curve in recorded_curves(profile, DEEPSEEK).curves:
        for point in curve.points:
            # At 8,192 tokens a GEMM's rows alone could be of several experts.
            known: set[int | None] = {TOUCHED[point.tokens]}
            if curve.name == "group_gemm" and point.tokens == 8192:
                known.add(None)
            assert point.experts in known


def test_points_of_one_size_are_one_point_at_their_median(
    profile: Profile, make_timing: Factory
) -> None:
    again = [
        replace(row, cold=make_timing(median_us=time_us))
        for row in profile.measurements
        if row.point.kernel == UP.kernel and row.point.op == UP.op
        if row.point.tokens == 1
        for time_us in (90.0, 1000.0)
    ]
    twice = replace(profile, measurements=(*profile.measurements, *again))
    gemms = recorded_curves(twice, DEEPSEEK).curves[1]
    assert gemms.points[0].time_us == 130 - 80 + 90


def test_a_size_at_which_one_call_has_no_time_is_left_out(profile: Profile) -> None:
    rows = tuple(
        replace(row, status=Status.FAILED, warm=None, cold=None)
        if row.point.kernel == FUSED.kernel and row.point.tokens == 128
        else row
        for row in profile.measurements
    )
    whole, gemms = recorded_curves(replace(profile, measurements=rows), DEEPSEEK).curves
    assert [point.tokens for point in whole.points] == [1, 8192]
    assert whole.at(128) is None
    assert len(gemms.points) == len(TIMES_US)


def test_a_profile_without_cold_times_gives_warm_ones(profile: Profile) -> None:
    warm = tuple(replace(row, cold=None) for row in profile.measurements)
    curve = recorded_curves(replace(profile, measurements=warm), DEEPSEEK).curves[0]
    assert curve.cache is Cache.WARM
    assert curve.points[0].time_us == pytest.approx(0.9 * 141)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"local_experts": 32}, "all 256 experts were on the GPU there, and 32 are"),
        ({"hidden": 1024}, "hidden_size is 7168 there and 1024 here"),
        ({"top_k": 4}, "num_experts_per_tok is 8 there and 4 here"),
        (
            {"number_format": NumberFormat.BF16, "block_size": 1},
            "has no way to run them in BF16",
        ),
    ],
)
def test_another_geometry_has_no_curves_and_says_why(
    profile: Profile, changes: dict[str, int], words: str
) -> None:
    found = recorded_curves(profile, make_geometry(**changes))
    assert not found.curves
    assert found.tokens == ()
    assert words in found.why_none


@pytest.mark.parametrize(
    ("name", "stated", "changes"),
    [
        ("n_group", 8, {"groups": 4}),
        ("topk_group", 4, {"top_groups": 8}),
        ("weight_block_size", 128, {"block_size": 64}),
    ],
)
def test_what_only_newer_profiles_state_is_compared_where_it_is_stated(
    profile: Profile, name: str, stated: int, changes: dict[str, int]
) -> None:
    assert recorded_curves(profile, make_geometry(**changes)).curves
    parameter = ModelParameter(name=name, value=stated, symbol="")
    newer = replace(profile, model=(*profile.model, parameter))
    assert recorded_curves(newer, DEEPSEEK).curves
    (value,) = changes.values()
    other = recorded_curves(newer, make_geometry(**changes))
    assert f"{name} is {stated} there and {value} here" in other.why_none


def test_blocks_are_compared_where_weights_have_scales(profile: Profile) -> None:
    parameter = ModelParameter(name="weight_block_size", value=128, symbol="")
    newer = replace(profile, model=(*profile.model, parameter))
    bf16 = make_geometry(number_format=NumberFormat.BF16, block_size=1)
    assert "weight_block_size" not in recorded_curves(newer, bf16).why_none


def test_a_profile_without_sizes_or_ways_says_so(profile: Profile) -> None:
    assert (
        "its model's sizes"
        in recorded_curves(replace(profile, model=()), DEEPSEEK).why_none
    )
    assert (
        "no way to run them"
        in recorded_curves(replace(profile, slots=()), DEEPSEEK).why_none
    )


def test_the_bundled_profile_has_three_ways_at_fifteen_sizes(bundled: Recorded) -> None:
    assert [curve.name for curve in bundled.curves] == [
        "fp8_blockwise_scaled_grouped_mm",
        "fp8_moe",
        "fused_moe_kernel",
    ]
    assert bundled.tokens == tuple(2**power for power in range(15))


def test_the_bundled_experts_are_those_of_the_routing_that_was_drawn(
    bundled: Recorded,
) -> None:
    known = {
        point.tokens: point.experts
        for curve in bundled.curves
        for point in curve.points
        if point.experts is not None
    }
    assert known == {tokens: distinct_experts(tokens) for tokens in bundled.tokens}
