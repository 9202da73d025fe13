"""Held to the printed digits of an earlier study of 32 experts on a B200."""

from dataclasses import replace

import pytest

from dsprof.analysis.moe.bounds import least_time_s, regime
from dsprof.analysis.moe.geometry import NumberFormat
from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.study import Study, analytic_study, recorded_study
from dsprof.analysis.moe.work import activation_bytes
from dsprof.analysis.roofs import RoofKind
from dsprof.harness.device import device_spec
from dsprof.harness.errors import UsageError
from dsprof.harness.profile import Profile
from dsprof.harness.records import Bound
from tests.analysis.moe.made import DEEPSEEK, make_geometry, moe_profile
from tests.conftest import Factory

# T, rows, FLOP and bytes with their units, FLOP/byte, bound, us.
PRINTED = (
    (1, 8, "705 MFLOP", "1.41 GB", "0.5", Bound.MEMORY, "176"),
    (7, 56, "4.9 GFLOP", "1.41 GB", "3.5", Bound.MEMORY, "176"),
    (14, 112, "9.9 GFLOP", "1.41 GB", "7.0", Bound.MEMORY, "177"),
    (32, 256, "22.5 GFLOP", "1.42 GB", "15.9", Bound.MEMORY, "177"),
    (55, 440, "38.8 GFLOP", "1.42 GB", "27.2", Bound.MEMORY, "178"),
    (80, 640, "56.4 GFLOP", "1.43 GB", "39.4", Bound.MEMORY, "179"),
    (901, 7208, "634.9 GFLOP", "1.66 GB", "382.4", Bound.MEMORY, "208"),
    (11948, 95584, "8.4 TFLOP", "4.73 GB", "1779.6", Bound.COMPUTE, "1871"),
    (14107, 112856, "9.9 TFLOP", "5.33 GB", "1864.6", Bound.COMPUTE, "2209"),
)
UNITS = {"M": 1e6, "G": 1e9, "T": 1e12}


@pytest.fixture(scope="module")
def forced() -> Study:
    return analytic_study(
        device_spec("b200"),
        make_geometry(local_experts=32),
        Routing.FORCED_LOCAL,
        [row[0] for row in PRINTED],
    )


@pytest.fixture
def recorded(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> Study:
    profile = moe_profile(make_profile, make_measurement, make_timing)
    return recorded_study(profile, DEEPSEEK, Routing.EXPECTED, (1, 100, 128))


def printed(value: float, like: str) -> str:
    """The value to as many digits after the point, in the same unit."""
    number, _, unit = like.partition(" ")
    decimals = len(number.partition(".")[2])
    scaled = value / UNITS[unit[0]] if unit else value
    return f"{scaled:.{decimals}f} {unit}".strip()


@pytest.mark.parametrize("row", PRINTED, ids=lambda row: f"T={row[0]}")
def test_every_printed_row_is_reproduced(
    forced: Study, row: tuple[int, int, str, str, str, Bound, str]
) -> None:
    tokens, rows, flops, moved, intensity, bound, least_us = row
    done = forced.work(tokens)
    assert done.rows == rows
    assert printed(done.flops, flops) == flops
    assert printed(done.total_bytes, moved) == moved
    assert printed(done.intensity, intensity) == intensity
    assert regime(done, forced.rated) is bound
    assert printed(least_time_s(done, forced.rated) * 1e6, least_us) == least_us


def test_the_printed_numbers_of_a_token_are_reproduced(forced: Study) -> None:
    geometry = forced.geometry
    assert f"{forced.work(1).flops / 1e6:.1f} MFLOP" == "704.6 MFLOP"
    gemm1 = geometry.top_k * geometry.row_flops * 2 / 3
    assert f"{gemm1 / 1e6:.1f} MFLOP" == "469.8 MFLOP"
    assert f"{gemm1 / 2e6:.1f} MFLOP" == "234.9 MFLOP"
    moved = sum(activation_bytes(geometry, Routing.FORCED_LOCAL).values())
    assert f"{moved / 1e3:.1f} KB" == "278.0 KB"
    assert f"{geometry.local_weight_bytes / 1e9:.3f} GB" == "1.410 GB"
    assert forced.rated.ridge_point == 562.5
    assert f"{forced.crossover(RoofKind.SPEC):.0f}" == "1446"


@pytest.mark.parametrize(
    ("gpu", "number_format", "floors_us"),
    [
        # Experts x bytes + 28,672 T over the bandwidth; at 16,384 FLOP over the rate.
        (
            "b200",
            NumberFormat.FP4,
            {1: 24.8, 16: 316, 128: 780, 1024: 796, 16384: 1283},
        ),
        ("h200-sxm", NumberFormat.FP8, {1: 73.4, 16: 936, 128: 2310, 1024: 2356}),
        ("h200-sxm", NumberFormat.FP8, {16384: 5834}),
    ],
)
def test_the_floors_of_all_experts(
    gpu: str, number_format: NumberFormat, floors_us: dict[int, float]
) -> None:
    geometry = make_geometry(
        number_format=number_format, block_size=number_format.block_size
    )
    study = analytic_study(
        device_spec(gpu), geometry, Routing.EXPECTED, tuple(floors_us)
    )
    for tokens, floor_us in floors_us.items():
        least_us = least_time_s(study.work(tokens), study.rated) * 1e6
        assert least_us == pytest.approx(floor_us, rel=2e-3)


def test_measured_roofs_tell_regimes_where_the_profile_has_them(
    recorded: Study, forced: Study
) -> None:
    assert list(recorded.roofs) == [RoofKind.SPEC, RoofKind.BURST]
    assert recorded.main_kind is RoofKind.BURST
    assert recorded.main.ridge_point == 250
    assert forced.main_kind is RoofKind.SPEC


def test_efficiency_is_of_the_experts_that_got_a_row(recorded: Study) -> None:
    by_point = {(one.curve.name, one.point.tokens): one for one in recorded.reached()}
    # (251 x 44,050,944 + 128 x 28,672) B / 4 TB/s = 2,765.1 us of 2,500.
    one = by_point["whole_moe", 128]
    assert one.efficiency[RoofKind.BURST] == pytest.approx(2765.1 / 2500, rel=1e-4)
    assert one.bytes_per_s == pytest.approx(11_060_457_000 / 2500e-6, rel=1e-4)
    # 8,192 x 704,643,072 FLOP / 1 PFLOP/s = 5,772 us of 6,040.
    one = by_point["whole_moe", 8192]
    assert one.bound is Bound.COMPUTE
    assert one.efficiency[RoofKind.BURST] == pytest.approx(5772.4 / 6040, rel=1e-4)
    assert one.flops_per_s == pytest.approx(5.7724e12 / 6040e-6, rel=1e-4)


def test_tokens_are_sorted_and_each_once() -> None:
    study = analytic_study(device_spec("b200"), DEEPSEEK, Routing.EXPECTED, (80, 1, 80))
    assert study.tokens == (1, 80)


def test_more_tokens_than_memory_are_refused() -> None:
    device = device_spec("h200-sxm")
    assert device.memory_bytes is not None
    fits = (device.memory_bytes - DEEPSEEK.local_weight_bytes) // 28_672
    analytic_study(device, DEEPSEEK, Routing.EXPECTED, (fits,))
    with pytest.raises(UsageError, match=r"does not fit: .* take 151 GB, and"):
        analytic_study(device, DEEPSEEK, Routing.EXPECTED, (fits + 1,))


def test_experts_that_no_memory_holds_are_refused() -> None:
    with pytest.raises(UsageError, match=r"RTX 4090 has 25\.8 GB"):
        analytic_study(
            device_spec("rtx-4090"),
            make_geometry(experts=1024, local_experts=1024),
            Routing.EXPECTED,
            (1,),
        )


def test_a_gpu_of_unknown_memory_refuses_no_size(recorded: Study) -> None:
    assert recorded.device.memory_bytes is None
    study = analytic_study(recorded.device, DEEPSEEK, Routing.EXPECTED, (10**9,))
    assert study.tokens == (10**9,)


def test_a_profile_older_than_the_listed_memory_has_it_from_the_list(
    make_profile: Factory,
) -> None:
    old = replace(device_spec("h200-sxm"), memory_bytes=None)
    profile: Profile = make_profile(device=old)
    with pytest.raises(UsageError, match="does not fit"):
        recorded_study(profile, DEEPSEEK, Routing.EXPECTED, (10**9,))


def test_zero_tokens_are_refused() -> None:
    with pytest.raises(UsageError, match=r"T is 0\. Give at least one token\."):
        analytic_study(device_spec("b200"), DEEPSEEK, Routing.EXPECTED, (0,))


def test_more_experts_a_token_than_local_ones_cannot_be_forced() -> None:
    few = make_geometry(local_experts=4)
    with pytest.raises(UsageError, match="cannot be forced onto 4 local experts"):
        analytic_study(device_spec("b200"), few, Routing.FORCED_LOCAL, (1,))
    study = analytic_study(device_spec("b200"), few, Routing.EXPECTED, (1,))
    assert study.work(1).rows == 8 * 4 / 256


def test_a_format_that_the_gpu_lacks_is_refused() -> None:
    fp4 = make_geometry(number_format=NumberFormat.FP4, block_size=16)
    with pytest.raises(UsageError, match="has no fp4_tensor datapath"):
        analytic_study(device_spec("h200-sxm"), fp4, Routing.EXPECTED, (1,))
