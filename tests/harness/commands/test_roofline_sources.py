"""The rooflines that need no profile: of a GPU by formula, and of a CSV file."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dsprof.analysis.seed_csv import read_seed_csv
from dsprof.harness.cli import cli
from dsprof.harness.commands.analytic import analytic_profile, crossing
from dsprof.harness.device import device_spec, known_devices
from dsprof.harness.errors import ProfileError, UsageError
from dsprof.harness.timing_csv import SEED_COLUMNS
from dsprof.kernels.registry import kernel_files, load_kernel

ROOT = Path(__file__).parents[3]
EXAMPLE = "cutlass_scaled_fp4_mm,q_b_proj,decode,1,1,1"
CSV = "\n".join(
    (
        ",".join(SEED_COLUMNS),
        f"{EXAMPLE},24576,1536,0.0123,1234.50,13.72,,7200.00,compute",
        "rmsnorm,input_layernorm,decode,1,1,1,7168,0,0.003,,80.00,6400.00,1.25,memory",
        "of_somebody,x,prefill,1,128,128,1,1,0.1,10.5,,100,0.1,memory",
        "",
    )
)


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["roofline", *arguments])


def test_a_gpu_is_placed_without_torch_or_a_kernel_package(work: Path) -> None:
    code = (
        "import sys\n"
        "from dsprof.harness.cli import cli\n"
        "try:\n"
        "    cli.main(['roofline', '--analytic', '--device', 'b200'])\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "heavy = ('torch', 'triton', 'sgl_kernel', 'flashinfer')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=work,
        env={"PYTHONPATH": str(ROOT), "HOME": str(work)},
    )
    assert process.stderr.splitlines()[-1] == "[]"
    assert process.stdout == "Wrote roofline.png\nWrote roofline.md\n"


@pytest.mark.parametrize("device", list(known_devices()))
def test_every_gpu_of_gpus_toml_has_a_page(device: str) -> None:
    assert invoke("--analytic", "--device", device).exit_code == 0
    text = Path("roofline.md").read_text("utf-8")
    assert f"# Roofline analysis: {device_spec(device).name}, analytic" in text
    for heading in (
        *("Hardware limits", "Roofline model", "Kernel placement"),
        *("Bottleneck analysis", "Scaling behaviour: decode", "Opportunities"),
    ):
        assert f"\n## {heading}\n" in text


def test_the_page_places_every_kernel_that_has_a_file() -> None:
    placed = {row.point.kernel for row in analytic_profile(device_spec("b200")).rows}
    assert placed == set(kernel_files())


def test_a_gpu_without_fp4_flags_the_kernels_that_need_it() -> None:
    assert invoke("--analytic", "--device", "h200-sxm").exit_code == 0
    line = next(
        line
        for line in Path("roofline.md").read_text("utf-8").splitlines()
        if line.startswith("| `cutlass_scaled_fp4_mm` | `q_b_proj` | FP4")
    )
    assert "| - | - | - | NVIDIA H200 SXM has no fp4_tensor datapath" in line


def test_a_gemm_crosses_its_ridge_where_the_intensity_reaches_it() -> None:
    # 0.5625 byte an operand, 2 an output: 2MNK = 1125 x bytes, solved for M.
    n, k, ridge = 7168, 16384, 1125
    exact = ridge * 0.5625 * n * k / (2 * n * k - ridge * (0.5625 * k + 2 * n))
    kernel = load_kernel("cutlass_scaled_fp4_mm")
    found = crossing(kernel, kernel.op("o_proj"), device_spec("b200"))
    assert found.tokens is not None
    assert found.tokens - 1 < exact <= found.tokens
    limit = 2 * n * k / (0.5625 * k + 2 * n)
    assert found.limit_intensity == pytest.approx(limit, rel=1e-6)


def test_a_gemm_with_a_limit_below_its_ridge_never_crosses() -> None:
    kernel = load_kernel("bmm_fp8")
    found = crossing(kernel, kernel.op("attn * w_vc"), device_spec("b200"))
    assert found.tokens is None
    # 2 x 128 x 512 FLOP over 512 B in and 2 x 128 B out.
    assert found.limit_intensity == pytest.approx(131072 / 768)


def test_a_crossing_beyond_a_kernels_limit_says_so() -> None:
    kernel = load_kernel("dsv3_fused_a_gemm")
    found = crossing(kernel, kernel.op("fused_qkv_a_proj"), device_spec("b200"))
    assert found.tokens is not None
    assert found.tokens > 16
    assert not found.is_taken


def test_a_csv_of_anybodys_is_drawn_and_its_slips_are_named(work: Path) -> None:
    (work / "theirs.csv").write_text(CSV, "utf-8")
    result = invoke("--input", "theirs.csv", "--output", "a.png", "--report", "a.md")
    assert result.exit_code == 0
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")
    text = Path("a.md").read_text("utf-8")
    flagged = [
        line for line in text.splitlines() if line.startswith(("| 2 |", "| 3 |"))
    ]
    assert any("M, N and K allow 4.00" in line for line in flagged)
    assert any("2 M N K over latency_ms is 6,138" in line for line in flagged)
    assert any("peak_pct 13.7" in line for line in flagged)
    assert not any("of_somebody/" in line for line in text.splitlines())
    assert "| `of_somebody` | `x` | 1 |" in text
    assert "--input theirs.csv --device b200 --output a.png --report a.md" in text


def test_our_own_export_is_such_a_csv() -> None:
    path = next((ROOT / "profiles").glob("*/*/all_kernels.csv"))
    assert len(read_seed_csv(path)) > 100


def test_a_csv_that_cannot_be_read_leaves_no_file(work: Path) -> None:
    (work / "bad.csv").write_text(CSV.replace("0.1,10.5", "0.1,fast"), "utf-8")
    error = invoke("--input", "bad.csv").exception
    assert isinstance(error, ProfileError)
    assert str(error).startswith("bad.csv, line 4: gflops is 'fast'")
    assert [path.name for path in work.iterdir()] == ["bad.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--analytic", "--input", "x.csv"), "exclude each other"),
        (("profile", "--analytic"), "exclude each other"),
        (("--device", "b200"), "A profile has its own device"),
        (("--analytic", "--device", "b201"), "No GPU 'b201'"),
    ],
)
def test_sources_that_do_not_fit_are_refused(
    arguments: tuple[str, ...], message: str
) -> None:
    error = invoke(*arguments).exception
    assert isinstance(error, UsageError)
    assert message in str(error)


def test_by_phase_draws_a_picture_each(work: Path) -> None:
    assert invoke("--analytic", "--by-phase", "--output", "b200.png").exit_code == 0
    names = {path.name for path in work.iterdir()}
    assert names == {"b200-decode.png", "b200-prefill.png", "roofline.md"}
    text = Path("roofline.md").read_text("utf-8")
    assert "--output b200.png --report roofline.md --by-phase" in text
