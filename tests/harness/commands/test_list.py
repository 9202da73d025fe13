import json

from click.testing import CliRunner

from dsprof.harness.availability import likely_provider, why_not
from dsprof.harness.cli import cli
from dsprof.harness.environment import Gpu
from dsprof.kernels import deepseek
from dsprof.kernels.registry import NO_FILE_REASON, kernel_files, load_kernel

H200 = Gpu(
    name="NVIDIA H200",
    compute_capability=(9, 0),
    memory_bytes=150_000_000_000,
    driver_version="580.1",
    cuda_driver_version="13.0",
    power_limit_w=700.0,
    sm_clock_mhz=1980,
    max_sm_clock_mhz=1980,
    memory_clock_mhz=3201,
    max_memory_clock_mhz=3201,
    throttle_reasons=(),
)


def test_it_lists_all_23_kernels_of_the_model_in_order() -> None:
    rows = json.loads(CliRunner().invoke(cli, ["list", "--json"]).output)
    names = [row["kernel"] for row in rows]
    assert names[:23] == [name for name, _, _ in deepseek.KERNELS]
    without_file = {row["kernel"] for row in rows if row["why_not"] == NO_FILE_REASON}
    assert without_file == set(names) - set(kernel_files())


def test_a_category_narrows_the_list() -> None:
    result = CliRunner().invoke(cli, ["list", "--category", "norm,bmm", "--json"])
    assert {row["category"] for row in json.loads(result.output)} == {"Norm", "BMM"}


def test_an_unknown_category_names_the_known_ones() -> None:
    result = CliRunner().invoke(cli, ["list", "--category", "norms"])
    assert result.exit_code == 2
    assert "No 'norms'. Known: Norm, GEMM, BMM" in result.output


def test_the_table_names_ops() -> None:
    output = CliRunner().invoke(cli, ["list"]).output
    assert "ops: input_layernorm, q_a_layernorm, kv_a_layernorm" in output
    assert " kernels run here." in output


def test_a_kernel_runs_where_its_gpu_and_package_are() -> None:
    kernel = load_kernel("dsv3_fused_a_gemm")
    assert why_not(kernel, H200, lambda _package: "0.4.4") is None
    reason = why_not(kernel, H200, lambda _package: None)
    assert reason == "no installed package has it: sgl_kernel"
    assert why_not(kernel, None) == "no NVIDIA GPU found"


def test_the_provider_is_the_first_whose_release_has_the_kernel() -> None:
    rope = load_kernel("apply_rope_with_cos_sin_cache_inplace")
    older = {"sgl_kernel": "0.3.21", "flashinfer": "0.6.12"}
    newer = {"sgl_kernel": "0.4.4", "flashinfer": "0.6.12"}
    assert likely_provider(rope, older.get) == "sgl_kernel"
    assert likely_provider(rope, newer.get) == "flashinfer"  # 0.4.4 dropped it
    assert likely_provider(rope, lambda _package: None) is None


def test_a_kernel_does_not_run_on_an_older_chip() -> None:
    from dataclasses import replace

    ampere = replace(H200, compute_capability=(8, 0))
    reason = why_not(load_kernel("dsv3_fused_a_gemm"), ampere, lambda _package: "0.4.4")
    assert reason == "dsv3_fused_a_gemm needs compute capability 9.0; this GPU has 8.0."
