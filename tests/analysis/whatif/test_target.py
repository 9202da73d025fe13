"""Targets from a profile and from the list of known GPUs."""

from dataclasses import replace

import pytest

from dsprof.analysis.whatif.target import source_target, target_of_device
from dsprof.harness.ceiling import Ceiling, Duration, Pattern
from dsprof.harness.device import Datapath, DeviceSpec, device_spec
from dsprof.harness.records import Status
from tests.conftest import Factory


def l2_read(value: float, duration: Duration = Duration.BURST) -> Ceiling:
    return Ceiling(
        pattern=Pattern.L2_READ,
        duration=duration,
        value=value,
        seconds=0.05,
        work="15 MiB in L2",
        sm_clock_mhz=1980,
        memory_clock_mhz=3201,
        power_w=470.0,
        throttle_reasons=(),
    )


def test_the_source_has_the_rated_limits_of_its_gpu(
    make_profile: Factory, toy_gpu: DeviceSpec
) -> None:
    source = source_target(make_profile())
    assert source.flops_per_s == toy_gpu.flops_per_s
    assert (source.hbm_bytes_per_s, source.on_chip_bytes) == (5e12, 50e6)
    assert (source.name, source.sms) == ("Toy GPU", 100)


def test_the_sources_on_chip_rate_is_the_l2_read_it_measured_in_a_burst(
    make_profile: Factory,
) -> None:
    ceilings = (l2_read(9e12), l2_read(8e12, Duration.SUSTAINED))
    source = source_target(make_profile(ceilings=ceilings))
    assert source.on_chip_bytes_per_s == 9e12
    assert "on_chip_bytes_per_s" not in source.assumed


def test_without_a_measured_l2_read_the_rate_is_assumed_and_says_so(
    make_profile: Factory,
) -> None:
    source = source_target(make_profile())
    assert source.on_chip_bytes_per_s == pytest.approx(1.98 * 5e12)
    assert "no measured L2 read" in source.assumed["on_chip_bytes_per_s"]


def test_the_launch_latency_is_the_shortest_warm_time(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> None:
    rows = tuple(
        make_measurement(batch_size=size, warm=make_timing(median_us=time_us))
        for size, time_us in ((1, 1.2), (2, 1.5), (4, 90.0))
    )
    source = source_target(make_profile(measurements=rows))
    assert source.launch_latency_s == pytest.approx(1.2e-6)
    assert "launch_latency_s" not in source.assumed


def test_the_memory_latency_is_what_the_smallest_kernels_wait_when_cold(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> None:
    times_us = [(1.2, 2.7), (1.3, 3.3), (500.0, 500.1)]
    rows = tuple(
        make_measurement(
            batch_size=size,
            warm=make_timing(median_us=warm),
            cold=make_timing(median_us=cold),
        )
        # Enough small ones that the large one is not among the smallest.
        for size, (warm, cold) in enumerate([*times_us[:2] * 5, times_us[2]])
    )
    source = source_target(make_profile(measurements=rows))
    assert source.hbm_latency_s == pytest.approx(1.5e-6)
    assert "upper bound" in source.assumed["hbm_latency_s"]


def test_a_profile_of_failures_has_assumed_latencies_only(
    make_profile: Factory, make_measurement: Factory
) -> None:
    failed = make_measurement(status=Status.FAILED, reason="crashed")
    source = source_target(make_profile(measurements=(failed,)))
    assert source.launch_latency_s > 0
    assert {"launch_latency_s", "hbm_latency_s"} <= source.assumed.keys()


def test_a_cold_time_alone_serves_as_the_launch_latency_with_a_word(
    make_profile: Factory, make_measurement: Factory
) -> None:
    row = make_measurement(warm=None)
    source = source_target(make_profile(measurements=(row,)))
    assert source.launch_latency_s == pytest.approx(12e-6)
    assert "no warm one" in source.assumed["launch_latency_s"]


def test_a_known_gpu_takes_over_what_its_data_sheet_lacks_and_names_it(
    make_profile: Factory,
) -> None:
    source = source_target(make_profile(ceilings=(l2_read(10e12),)))
    b200 = target_of_device(device_spec("b200"), source)
    assert b200.hbm_bytes_per_s == 8e12
    assert b200.on_chip_bytes_per_s == pytest.approx(10e12 * 148 / 100)
    assert b200.launch_latency_s == source.launch_latency_s
    assert b200.has(Datapath.FP4_TENSOR)
    assert b200.power_w == 1000
    assert b200.assumed.keys() == {
        "on_chip_bytes_per_s",
        "hbm_latency_s",
        "launch_latency_s",
    }
    assert "for each multiprocessor" in b200.assumed["on_chip_bytes_per_s"]


def test_from_a_source_without_multiprocessors_the_on_chip_rate_follows_hbm(
    make_profile: Factory,
) -> None:
    source = replace(source_target(make_profile(ceilings=(l2_read(10e12),))), sms=None)
    b200 = target_of_device(device_spec("b200"), source)
    assert b200.on_chip_bytes_per_s == pytest.approx(16e12)  # 10 * 8 / 5
    assert "byte/s of HBM" in b200.assumed["on_chip_bytes_per_s"]


def test_an_older_profile_of_a_known_gpu_gets_the_power_known_today(
    make_profile: Factory,
) -> None:
    recorded = replace(device_spec("h200-sxm"), power_w=None)
    assert source_target(make_profile(device=recorded)).power_w == 700
    renamed = replace(recorded, name="Another H200")
    assert source_target(make_profile(device=renamed)).power_w is None
