from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dsprof.harness.cli import cli
from dsprof.harness.commands.timed_points import runnable_here
from dsprof.harness.environment import Gpu
from dsprof.harness.errors import EnvironmentLacksError, UsageError
from dsprof.kernels.registry import load_kernels

H200 = Gpu(
    name="NVIDIA H200",
    compute_capability=(9, 0),
    memory_bytes=140 * 2**30,
    driver_version="580.1",
    cuda_driver_version="13.0",
    power_limit_w=700.0,
    sm_clock_mhz=1980,
    max_sm_clock_mhz=1980,
    memory_clock_mhz=3201,
    max_memory_clock_mhz=3201,
    throttle_reasons=(),
)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["ncu", *arguments])


def test_a_dry_run_prints_the_command_and_needs_no_gpu(tmp_path: Path) -> None:
    output = tmp_path / "run"
    result = invoke("--kernel", "bmm_fp8", "--dry-run", "-o", str(output))
    assert result.exit_code == 0
    heading, line = result.output.splitlines()
    assert heading == "# 8 points, one call each in its own NVTX range"
    assert line.startswith("LC_ALL=C ncu --target-processes all")
    assert "sm__ops_path_tensor_src_fp8.sum" in line
    assert "sm__ops_path_tensor_src_bf16_dst_fp32.sum" not in line
    assert not output.exists()


def test_both_cache_states_are_two_commands_and_stalls_ask_for_more() -> None:
    result = invoke("--kernel", "rmsnorm", "--cache", "both", "--stalls", "--dry-run")
    commands = result.output.splitlines()[1:]
    assert [c.split("--cache-control ")[1].split()[0] for c in commands] == [
        "all",
        "none",
    ]
    assert all("issue_stalled_long_scoreboard" in command for command in commands)


def test_sizes_are_the_same_options_as_for_timing() -> None:
    result = invoke(
        "--kernel", "rmsnorm", "--ops", "input_layernorm", "--phase", "decode",
        "--batch-sizes", "2,4,8", "--dry-run",
    )  # fmt: skip
    assert result.output.startswith("# 3 points")


def test_no_kernel_named_is_an_error_that_says_how_to_name_one() -> None:
    result = invoke("--dry-run")
    assert isinstance(result.exception, UsageError)
    assert "--kernel NAME" in str(result.exception)


def test_a_kernel_that_this_gpu_cannot_run_is_refused_with_its_counterpart() -> None:
    with pytest.raises(EnvironmentLacksError) as refused:
        runnable_here(load_kernels(["cutlass_mla_decode"]), H200, quiet=True)
    assert "cutlass_mla_decode needs compute capability 10.0" in str(refused.value)
    assert "dsprof ncu --kernel batch_mla_paged_attention" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_kernels_that_run_here_are_kept_and_the_others_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kernels = load_kernels(["cutlass_mla_decode", "rmsnorm"])
    assert list(runnable_here(kernels, H200, quiet=False)) == ["rmsnorm"]
    assert "Its counterpart here" in capsys.readouterr().err
    b200 = replace(H200, compute_capability=(10, 0))
    assert len(runnable_here(kernels, b200, quiet=True)) == 2
