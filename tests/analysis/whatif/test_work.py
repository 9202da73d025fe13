from dataclasses import replace

import pytest

from dsprof.analysis.whatif.work import Sweep, Work, sweeps, timed_works
from dsprof.harness.device import Datapath
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Status
from tests.conftest import Factory

LABEL = "rmsnorm/input_layernorm/decode/B=4,S=1"


def only_work(profile: Profile, cache: Cache = Cache.COLD) -> Work:
    (work,) = timed_works(profile, cache)
    return work


def test_a_point_has_the_time_flop_rows_and_bytes_of_its_row(
    make_profile: Factory,
) -> None:
    work = only_work(make_profile())

    assert work.time_s == pytest.approx(12e-6)
    assert work.vector_flops == (4 * 7168 + 3) * 4
    assert work.tensor_flops == {}
    assert work.rows == 4
    assert work.on_chip_bytes == 2 * 7168 * (5 + 4)
    assert work.hbm_bytes == 2 * 7168 * 5  # 57 KB of output stay in L2
    assert work.launches == 1


def test_points_without_a_time_have_no_work(
    make_profile: Factory, make_measurement: Factory
) -> None:
    failed = make_measurement(status=Status.FAILED, reason="it broke")
    profile = make_profile(measurements=(failed,))

    assert timed_works(profile, Cache.COLD) == []
    assert sweeps(profile, Cache.COLD) == {}


def test_launches_of_one_label_are_counted(
    make_profile: Factory, make_counters: Factory
) -> None:
    launches = tuple(make_counters(launch=launch) for launch in range(3))

    assert only_work(make_profile(counters=launches)).launches == 3


def test_warm_counters_say_nothing_of_cold_times(
    make_profile: Factory, make_counters: Factory
) -> None:
    warm = tuple(make_counters(launch=at, cache=Cache.WARM) for at in range(3))
    profile = make_profile(counters=warm)

    assert only_work(profile).launches == 1
    assert only_work(profile, Cache.WARM).launches == 3


def test_tensor_work_that_was_counted_on_the_fp32_units_is_vector_work(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    gemm = make_measurement(flops={Datapath.BF16_TENSOR: 3_670_016})
    counted = make_counters(tensor_bf16_flops=0.0, fp32_flops=3_803_136.0)
    declared = only_work(make_profile(measurements=(gemm,)))
    found = only_work(make_profile(measurements=(gemm,), counters=(counted,)))

    assert declared.tensor_flops == {Datapath.BF16_TENSOR: 3_670_016}
    assert declared.rows == 0
    assert found.tensor_flops == {}
    assert found.vector_flops == 3_670_016
    assert found.rows == 4


def test_a_sweep_parts_its_points_by_token_count(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = tuple(make_measurement(batch_size=count) for count in (1, 2, 4))
    sweep: Sweep = sweeps(make_profile(measurements=rows), Cache.COLD)["rmsnorm"]
    kept, left = sweep.works(without={2})

    assert [work.tokens for work in kept] == [1, 4]
    assert [work.tokens for work in left] == [2]


def test_counters_of_token_counts_left_out_are_not_seen(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    rows = tuple(make_measurement(batch_size=count) for count in (1, 4))
    launches = tuple(make_counters(launch=launch) for launch in range(3))
    profile = make_profile(measurements=rows, counters=launches)
    sweep = sweeps(profile, Cache.COLD)["rmsnorm"]

    assert [work.launches for work in sweep.works()[0]] == [3, 3]
    assert [work.launches for work in sweep.works(without={4})[0]] == [1]


def test_rows_of_equal_work_differ_by_their_time_alone(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> None:
    row = make_measurement()
    slow = replace(row, cold=make_timing(median_us=24.0))
    one, other = (only_work(make_profile(measurements=(each,))) for each in (row, slow))

    assert other.time_s == pytest.approx(2 * one.time_s)
    assert replace(other, row=row, time_s=one.time_s) == one
