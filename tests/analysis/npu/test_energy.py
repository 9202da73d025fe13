from dataclasses import replace

import pytest

from dsprof.analysis.npu.energy import (
    constant_error_pct,
    energy_model,
    least_power_w,
    model_error_pct,
    replays_s,
    sampled,
    unit_energies,
)
from dsprof.harness.ceiling import Duration, Pattern
from dsprof.harness.device import Datapath
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache
from tests.analysis.npu.planted import ceiling
from tests.conftest import Factory

ROOFS = (
    # 600 W and 100 W of static power: 500 W at 5 TB/s are 100 pJ a byte.
    ceiling(Pattern.HBM_READ, 5e12, 600.0),
    # 500 W at 1 PFLOP/s are 0.5 pJ a FLOP.
    ceiling(Pattern.BF16_DENSE, 1e15, 600.0),
)


@pytest.fixture
def profile(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> Profile:
    """A call of 2 ms that streams at the roof, and one of 10 us at 100 W."""
    long = make_measurement(
        batch_size=128,
        bytes_read=10_000_000_000,
        bytes_written=0,
        flops={},
        warm=make_timing(median_us=2000.0, calls_per_sample=1, power_w=300.0),
        cold=make_timing(median_us=2000.0, power_w=630.0),
    )
    short = make_measurement(
        warm=make_timing(median_us=10.0, calls_per_sample=25, power_w=100.0),
        cold=make_timing(median_us=12.0, power_w=250.0),
    )
    made: Profile = make_profile(measurements=(long, short), ceilings=ROOFS)
    return made


def test_replays_last_as_long_as_all_their_calls(profile: Profile) -> None:
    # 10 warm-ups and 100 samples: of one call of 2 ms, of 25 calls of 10 us.
    assert [replays_s(profile, row) for row in profile.measurements] == pytest.approx(
        [0.22, 0.0275]
    )


def test_only_a_point_longer_than_a_refresh_has_a_power_of_its_own(
    profile: Profile,
) -> None:
    (one,) = sampled(profile)
    assert one.row.point.batch_size == 128
    # 630 W, the cold reading, over 2 ms.
    assert one.energy_j == pytest.approx(1.26)


def test_a_run_that_was_cold_first_has_no_reading_behind_its_replays(
    profile: Profile,
) -> None:
    order = replace(profile.sweep, caches=(Cache.COLD, Cache.WARM))
    assert not sampled(replace(profile, sweep=order))


def test_a_timer_that_does_not_say_its_calls_gives_no_energy(
    profile: Profile, make_timing: Factory
) -> None:
    rows = tuple(
        replace(row, warm=make_timing(calls_per_sample=None))
        for row in profile.measurements
    )
    assert not sampled(replace(profile, measurements=rows))


def test_the_least_reading_stands_for_a_board_without_work(profile: Profile) -> None:
    assert least_power_w(profile) == 100.0


def test_a_profile_without_rows_has_no_least_reading(make_profile: Factory) -> None:
    empty = make_profile(measurements=(), ceilings=ROOFS)
    assert least_power_w(empty) is None
    assert not unit_energies(empty)
    assert energy_model(empty) is None


def test_roofs_give_energy_with_and_without_the_least_reading(
    profile: Profile,
) -> None:
    hbm, bf16 = unit_energies(profile)
    assert hbm.board_j == pytest.approx(120e-12)
    assert hbm.dynamic_j == pytest.approx(100e-12)
    assert bf16.dynamic_j == pytest.approx(0.5e-12)


def test_a_burst_is_too_short_for_a_reading(profile: Profile) -> None:
    burst = tuple(replace(one, duration=Duration.BURST) for one in ROOFS)
    assert not unit_energies(replace(profile, ceilings=burst))
    assert energy_model(replace(profile, ceilings=burst)) is None


def test_the_model_adds_static_power_bytes_and_flops(profile: Profile) -> None:
    model = energy_model(profile)
    assert model is not None
    # 1 ms at 100 W, 1 GB at 100 pJ, 1 TFLOP at 0.5 pJ; FP8 has no roof here.
    flops = {Datapath.BF16_TENSOR: 1e12, Datapath.FP8_TENSOR: 1e12}
    parts = model.parts_j(1e-3, 1e9, flops)
    assert parts == pytest.approx({"static": 0.1, "HBM": 0.1, "arithmetic": 0.5})
    assert model.energy_j(1e-3, 1e9, flops) == pytest.approx(0.7)


def test_the_model_is_held_against_the_powers_that_were_read(profile: Profile) -> None:
    model, points = energy_model(profile), sampled(profile)
    assert model is not None
    # 2 ms x 100 W + 10 GB x 100 pJ = 1.2 J against 1.26 J.
    assert model_error_pct(model, points) == pytest.approx(100 * 0.06 / 1.26)
    assert constant_error_pct(points) == 0
