"""The doctor's checks, each on machines that the test describes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dsprof.harness.environment import Gpu
from dsprof.harness.errors import INSTALL_GPU
from dsprof.harness.readiness import (
    Check,
    State,
    can_time,
    check_clocks,
    check_counters,
    check_gpu,
    check_known_device,
    check_package,
    check_python,
    check_tool,
    check_torch,
    checks,
)

H200 = Gpu(
    name="NVIDIA H200",
    compute_capability=(9, 0),
    memory_bytes=140 * 2**30,
    driver_version="580.159.03",
    cuda_driver_version="13.0",
    power_limit_w=700.0,
    sm_clock_mhz=345,
    max_sm_clock_mhz=1980,
    memory_clock_mhz=3201,
    max_memory_clock_mhz=3201,
    throttle_reasons=(),
)
ROOT = "CapInh:\t0000000000000000\nCapEff:\t000001ffffffffff\n"
USER = "CapInh:\t0000000000000000\nCapEff:\t0000000000000000\n"
CONTAINER_ROOT = "CapEff:\t00000000a80425fb\n"  # docker's default set


@pytest.fixture
def counters(tmp_path: Path) -> Callable[[str, str], Check]:
    def check(params: str, status: str) -> Check:
        (tmp_path / "params").write_text(params)
        (tmp_path / "status").write_text(status)
        return check_counters(tmp_path / "params", tmp_path / "status")

    return check


def test_python_3_11_is_enough() -> None:
    assert check_python((3, 11, 0)).state is State.OK


def test_python_3_10_is_too_old() -> None:
    check = check_python((3, 10, 14))
    assert (check.state, check.found) == (State.MISSING, "3.10.14")
    assert "3.11 or later" in check.fix


def test_a_gpu_is_described_in_one_line() -> None:
    check = check_gpu(H200, "")
    assert check.state is State.OK
    assert check.found == (
        "NVIDIA H200, compute capability 9.0, 140 GiB; driver 580.159.03 (CUDA 13.0)"
    )


def test_a_missing_gpu_comes_with_its_reason_and_its_fix() -> None:
    check = check_gpu(None, "NVML finds no GPU: Not Found. Install the driver.")
    assert check.state is State.MISSING
    assert check.found == "NVML finds no GPU: Not Found."
    assert check.fix == "Install the driver."


def test_a_gpu_of_gpus_toml_has_peaks() -> None:
    assert check_known_device(H200).found == "h200-sxm"


def test_a_gpu_without_peaks_can_be_described_in_a_file() -> None:
    check = check_known_device(replace(H200, name="NVIDIA H200 NVL"))
    assert check.state is State.WARNING
    assert "--device" in check.fix


def test_clocks_are_shown_against_their_maximum() -> None:
    check = check_clocks(H200)
    assert check.state is State.OK
    assert check.found == "SM 345 of 1980 MHz, memory 3201 of 3201 MHz"


def test_a_throttled_gpu_is_a_warning_with_the_reason() -> None:
    check = check_clocks(replace(H200, throttle_reasons=("sw_power_cap",)))
    assert check.state is State.WARNING
    assert check.found.endswith("held down by sw_power_cap")


def test_clocks_that_the_driver_hides_are_unknown() -> None:
    check = check_clocks(replace(H200, sm_clock_mhz=None, max_sm_clock_mhz=None))
    assert check.found.startswith("SM unknown of unknown MHz")


@pytest.mark.parametrize(
    ("version", "cuda", "state"),
    [
        ("2.11.0+cu130", "13.0", State.OK),
        ("2.8.0", "12.8", State.OK),  # an older CUDA runs on a newer driver
        ("2.13.0", "14.0", State.WARNING),
        ("2.13.0+cpu", None, State.MISSING),
        (None, None, State.MISSING),
    ],
)
def test_torch_must_be_a_cuda_build_that_the_driver_can_run(
    version: str | None, cuda: str | None, state: State
) -> None:
    assert check_torch(version, cuda, H200).state is state


def test_an_absent_package_is_named_by_the_distribution_that_brings_it() -> None:
    check = check_package("sgl_kernel", None, State.MISSING)
    assert check.state is State.MISSING
    assert check.fix == f"{INSTALL_GPU} brings sglang-kernel."


def test_a_present_package_is_shown_with_its_version() -> None:
    check = check_package("triton", "3.6.0", State.WARNING)
    assert (check.state, check.found, check.fix) == (State.OK, "3.6.0", "")


@pytest.mark.parametrize("version", [None, "unknown"])
def test_timing_needs_no_profiler(version: str | None) -> None:
    check = check_tool("ncu", version)
    assert check.state is State.WARNING
    assert check.fix


def test_counters_are_open_where_the_driver_says_so(
    counters: Callable[[str, str], Check],
) -> None:
    check = counters("EnableMSI: 1\nRmProfilingAdminOnly: 0\n", USER)
    assert check.state is State.OK


def test_counters_are_open_to_an_administrator(
    counters: Callable[[str, str], Check],
) -> None:
    check = counters("RmProfilingAdminOnly: 1\n", ROOT)
    assert check.state is State.OK
    assert check.found == "open to administrators only; this process is one"


@pytest.mark.parametrize("status", [USER, CONTAINER_ROOT, ""])
def test_counters_are_closed_to_everyone_else(
    counters: Callable[[str, str], Check], status: str
) -> None:
    check = counters("RmProfilingAdminOnly: 1\n", status)
    assert check.state is State.WARNING
    assert "NVreg_RestrictProfilingToAdminUsers=0" in check.fix


def test_without_a_driver_nothing_is_known_of_counters(tmp_path: Path) -> None:
    check = check_counters(tmp_path / "absent", tmp_path / "absent")
    assert check.state is State.WARNING
    assert "says nothing" in check.found


def test_a_warning_does_not_keep_dsprof_from_timing() -> None:
    fine = Check(name="a", state=State.OK, found="1")
    risky = Check(name="b", state=State.WARNING, found="absent", fix="Get it.")
    lacking = Check(name="c", state=State.MISSING, found="absent", fix="Get it.")
    assert can_time([fine, risky])
    assert not can_time([fine, risky, lacking])


def test_every_check_that_is_not_ok_has_a_fix() -> None:
    found = checks()
    assert len({check.name for check in found}) == len(found)
    assert all(bool(check.fix) == (check.state is not State.OK) for check in found)
