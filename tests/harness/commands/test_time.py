import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dsprof.harness.cli import cli
from dsprof.harness.commands.time import print_result
from dsprof.harness.errors import EnvironmentLacksError, ExitCode, UsageError
from dsprof.harness.records import Status
from dsprof.harness.store import ProfileWriter
from dsprof.kernels.registry import load_kernel
from dsprof.kernels.spec import Category
from tests.conftest import Factory


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["time", *arguments])


def test_the_plan_counts_points_and_needs_no_gpu() -> None:
    result = invoke("--kernels", "rmsnorm,dsv3_router_gemm", "--plan")
    assert result.exit_code == 0
    assert "rmsnorm / q_a_layernorm: 8 decode, 20 prefill\n" in result.output
    assert (
        "dsv3_router_gemm / gate: 8 decode, 20 prefill, 23 of them out of its limit\n"
        in result.output
    )
    assert "112 points, 23 out of limit." in result.output


def test_the_options_choose_the_points() -> None:
    result = invoke(
        "--category", "norm,gemm", "--phase", "Prefill", "--batch-sizes", "2,4,2",
        "--seq-lens", "128", "--plan", "--json",
    )  # fmt: skip
    points = json.loads(result.output)
    counts = Counter(point["kernel"] for point in points)
    assert counts["rmsnorm"] == 6  # three ops of two points
    assert counts["dsv3_router_gemm"] == 2
    categories = {load_kernel(name).category for name in counts}
    assert categories == {Category.NORM, Category.GEMM}
    assert {(p["phase"], p["batch_size"], p["seq_len"]) for p in points} == {
        ("prefill", 2, 128),
        ("prefill", 4, 128),
    }


def test_an_op_alone_chooses_the_kernels_that_have_it() -> None:
    points = json.loads(invoke("--ops", "topk", "--plan", "--json").output)
    assert {point["kernel"] for point in points} == {
        "topk_softmax",
        "topk_sigmoid",
        "moe_fused_gate",
    }


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--phase", "train"), "No 'train'. Known: decode, prefill."),
        (("--category", "x"), "No 'x'. Known: Norm, GEMM"),
        (("--batch-sizes", "1,,2"), "'' in '1,,2' is not a whole number"),
        (("--batch-sizes", "0"), "'0' in '0' is not a whole number of at least 1"),
        (("--seq-lens", "1e3"), "'1e3' in '1e3' is not a whole number"),
        (("--kernels", "rmsnorm,"), "'rmsnorm,' has an empty name"),
        (("--replays", "1"), "1 is not in the range x>=3"),
        (("--timeout", "0"), "0.0 is not in the range x>0"),
        (("--timer", "wall"), "'wall' is not one of 'graph', 'do_bench_cudagraph'"),
    ],
)
def test_a_malformed_option_is_a_usage_error_that_says_what_is_known(
    arguments: tuple[str, ...], problem: str
) -> None:
    result = invoke(*arguments)
    assert result.exit_code == ExitCode.USAGE
    assert problem in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--kernels", "nope"), "No kernel 'nope'. Known: .*rmsnorm"),
        (("--ops", "nope"), "No op 'nope' in these kernels. Known: .*attn"),
        (("--kernels", "rmsnorm", "--ops", "gate"), "Known: input_layernorm, q_a"),
        (("--kernels", "rmsnorm", "--category", "gemm"), "No kernel is in both"),
        (("--device", "h300", "-o", "none"), "No GPU 'h300'. Known: b200"),
        (("--resume",), "--resume needs --output"),
    ],
)
def test_an_unknown_name_is_a_usage_error_that_lists_the_known_ones(
    arguments: tuple[str, ...], problem: str
) -> None:
    result = invoke(*arguments)
    assert isinstance(result.exception, UsageError)
    assert result.exception.exit_code == ExitCode.USAGE
    with pytest.raises(UsageError, match=problem):
        raise result.exception


def test_an_existing_output_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    result = invoke("--output", str(tmp_path))
    assert isinstance(result.exception, UsageError)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_a_resumed_run_keeps_its_selection(
    tmp_path: Path, make_profile: Factory
) -> None:
    ProfileWriter.create(tmp_path / "run", make_profile(measurements=()))
    result = invoke("--resume", "-o", str(tmp_path / "run"), "--kernels", "rmsnorm")
    assert isinstance(result.exception, UsageError)
    assert "Leave --kernels out" in str(result.exception)


def test_a_resumed_plan_is_the_recorded_one(
    tmp_path: Path, make_profile: Factory
) -> None:
    ProfileWriter.create(tmp_path / "run", make_profile(measurements=()))
    result = invoke("--resume", "-o", str(tmp_path / "run"), "--plan")
    assert "rmsnorm / kv_a_layernorm: 2 decode, 1 prefill\n" in result.output


def test_without_a_gpu_it_says_what_is_missing_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # also on a machine that has one
    result = invoke("--kernels", "rmsnorm", "-o", str(tmp_path / "run"))
    assert isinstance(result.exception, EnvironmentLacksError)
    assert result.exception.exit_code == ExitCode.ENVIRONMENT
    assert "sees no CUDA device" in str(result.exception)
    assert not (tmp_path / "run").exists()


def test_where_nothing_was_timed_each_reason_is_said_once(
    make_profile: Factory,
    make_measurement: Factory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reason = "needs at least 661.7 GB of memory; the GPU has 139.8 GB free."
    refused = make_measurement(status=Status.OUT_OF_LIMIT, reason=reason)
    print_result(
        make_profile(measurements=(refused, refused)), Path("run"), as_json=False
    )
    said = capsys.readouterr().out
    assert said.startswith(f"out_of_limit: {reason}\n2 points: 2 out_of_limit.\n")
    timed = make_profile(measurements=(refused, make_measurement()))
    print_result(timed, Path("run"), as_json=False)
    assert reason not in capsys.readouterr().out
