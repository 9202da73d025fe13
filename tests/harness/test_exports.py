from pathlib import Path

from dsprof.harness.exports import benchmark_summary, write_exports
from dsprof.harness.records import RunSummary, Status
from tests.conftest import Factory


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_the_kernel_files_together_are_the_file_of_all(
    tmp_path: Path, make_profile: Factory, make_measurement: Factory
) -> None:
    rows = (
        make_measurement(),
        make_measurement(batch_size=1),
        make_measurement(kernel="bmm_fp8", op="attn * w_vc"),
    )
    write_exports(tmp_path, make_profile(measurements=rows))
    whole = lines(tmp_path / "all_kernels.csv")
    assert whole[1:] == [
        line
        for name in ("rmsnorm", "bmm_fp8")
        for line in lines(tmp_path / "kernels" / f"{name}.csv")[1:]
    ]
    assert whole[0].startswith(
        "kernel,op,phase,B,S,M,N,K,latency_ms,gflops,peak_pct,bandwidth_gbs,"
        "arith_intensity,bound,"
    )


def test_the_summary_counts_points_by_status(
    make_profile: Factory, make_measurement: Factory
) -> None:
    refused = make_measurement(batch_size=32, status=Status.OUT_OF_LIMIT)
    wrong = make_measurement(
        batch_size=64, status=Status.INCORRECT, reason="out is off by 2.0e+00."
    )
    run = RunSummary(
        started="2026-01-01T00:00:00+00:00", wall_s=12.5, points=3, gpu_busy_pct=61.0
    )
    rows = (make_measurement(), refused, wrong)
    text = benchmark_summary(make_profile(measurements=rows, summary=run))
    assert (
        "| ok | 1 |\n| out_of_limit | 1 |\n| incorrect | 1 |\n| **all** | 3 |" in text
    )
    assert "3 points in 12.5 s wall, worker start-up included; GPU busy 61.0 %" in text
    assert f"- {wrong.point.label}: incorrect: out is off by 2.0e+00." in text
    assert (
        "| rmsnorm | input_layernorm | 3 | 1 | 10.00 to 10.00 | 12.00 to 12.00 |"
        in text
    )


def test_a_run_that_was_cut_off_says_so(make_profile: Factory) -> None:
    assert "the run was cut off" in benchmark_summary(make_profile(summary=None))
