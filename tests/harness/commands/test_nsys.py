import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dsprof.harness.cli import cli
from dsprof.harness.commands.profile_program import job_of, profile_program
from dsprof.harness.device import DeviceSpec
from dsprof.harness.errors import (
    DsprofError,
    EnvironmentLacksError,
    ExitCode,
    ProfileError,
    UsageError,
)
from dsprof.harness.store import load_profile
from tests.analysis.nsys_files import NsysFile

ROOT = Path(__file__).parents[3]
STAND_INS = Path(__file__).parents[1]
REPORT = ROOT / "tests" / "data" / "h200-three-kernels.ncu-rep"
# The kernels of that report, as nsys prints them.
NORM = (
    "void flashinfer::norm::RMSNormKernel<(unsigned int)8, __nv_bfloat16>(T2 *, T2 *, "
    "T2 *, unsigned int, unsigned int, unsigned int, float, float)"
)
FP8_GEMM = "nvjet_sm90_qqtst_256x128_128x4_2x1_v_bz_coopA_TNT"
ODD = "void <b>\"x\", 'y' [red]&amp;</b>, <script>(int)"
OK = (sys.executable, "-c", "pass")


def sizes(grid: tuple[int, int, int], block: tuple[int, int, int]) -> dict[str, int]:
    names = ("gridX", "gridY", "gridZ", "blockX", "blockY", "blockZ")
    return dict(zip(names, (*grid, *block), strict=True))


def decode_export() -> NsysFile:
    """A prefill of one kernel, and a decode of three in 100 ns."""
    file = NsysFile()
    file.range("prefill", 0, 50)
    file.launch((1, 2), (10, 40), name="init()")
    file.range("decode", 100, 200)
    norm = sizes((2048, 1, 1), (32, 28, 1))
    file.launch((101, 102), (110, 140), name=NORM, **norm)
    file.launch((103, 104), (140, 150), name=NORM, **sizes((1, 1, 1), (32, 28, 1)))
    gemm = sizes((2, 66, 1), (384, 1, 1))
    file.launch((105, 106), (160, 180), name=FP8_GEMM, **gemm)
    file.launch((107, 108), (185, 190), name=ODD)
    return file


class Bench:
    """Stand-ins for nsys and ncu on PATH, and the folder to record into."""

    def __init__(self, folder: Path, device: DeviceSpec) -> None:
        self.folder, self.device = folder, device
        self.faults = folder / "faults"
        self.faults.mkdir()
        self.tools = folder / "bin"
        self.tools.mkdir()
        self.stand_in("nsys", "fake_nsys.py")
        self.stand_in("ncu", "fake_program_ncu.py")
        decode_export().write(self.faults / "export.sqlite")
        self.output = folder / "run"

    def stand_in(self, name: str, script: str) -> None:
        file = self.tools / name
        command = f'"{sys.executable}" "{STAND_INS / script}" "{self.faults}"'
        file.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        file.chmod(0o755)

    def run(self, program: tuple[str, ...] = OK, **changes: Any) -> ExitCode:  # noqa: ANN401 -- any option
        options: dict[str, Any] = {
            "tool": "nsys", "ranges": ["decode"], "every": False, "timeout_s": 30.0,
            "top": 20, "ncu": False, "cache": "cold", "as_json": False,
            "idle_s": 0.0,
        } | changes  # fmt: skip
        ncu = str(self.tools / "ncu") if options["ncu"] else ""
        job = job_of(program, options, self.output, ncu)
        return profile_program(job, self.device)


@pytest.fixture
def bench(
    tmp_path: Path, toy_gpu: DeviceSpec, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    made = Bench(tmp_path, toy_gpu)
    monkeypatch.setenv("PATH", f"{made.tools}:/usr/bin:/bin")
    return made


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["nsys", *arguments])


def test_the_program_stands_after_two_dashes() -> None:
    for arguments in (["--range", "decode"], ["python3", "app.py"]):
        with pytest.raises(UsageError, match="Name the program to run after --"):
            invoke_or_raise(*arguments)
    with pytest.raises(UsageError, match="No program after --"):
        invoke_or_raise("--range", "decode", "--")


def invoke_or_raise(*arguments: str) -> None:
    result = invoke(*arguments)
    assert result.exception is not None
    raise result.exception


def test_a_program_that_does_not_exist_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no program 'no-such-program'"):
        invoke_or_raise("--", "no-such-program")


def test_help_needs_no_program() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert "-- COMMAND..." in result.output


def test_a_dry_run_prints_both_commands_and_runs_nothing(tmp_path: Path) -> None:
    output = tmp_path / "run"
    result = invoke(
        "--range", "decode", "--ncu", "--dry-run", "-o", str(output), "--",
        "sh", "-c", "exit 1", "--range",
    )  # fmt: skip
    assert result.exit_code == 0
    record, _, count = result.output.splitlines()
    assert record.startswith("NSYS_NVTX_PROFILER_REGISTER_ONLY=0 nsys profile")
    assert "--nvtx-capture=decode@*" in record
    assert record.endswith("sh -c 'exit 1' --range")
    assert count.startswith("LC_ALL=C ncu --config-file off")
    assert "--nvtx-include decode/ --nvtx-include decode " in count
    assert not output.exists()


def test_several_ranges_or_every_occurrence_need_the_whole_program() -> None:
    for options in (["--range", "prefill,decode"], ["--range", "decode", "--every"]):
        result = invoke(*options, "--dry-run", "--", "sh")
        assert "--capture-range" not in result.output


def test_without_a_gpu_nothing_is_recorded(tmp_path: Path) -> None:
    if shutil.which("nvidia-smi"):
        pytest.skip("there is a GPU here")
    output = tmp_path / "run"
    result = invoke("-o", str(output), "--", "sh")
    assert isinstance(result.exception, EnvironmentLacksError)
    assert not output.exists()


def test_the_kernels_of_a_range_are_stored_and_printed(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.run() is ExitCode.OK
    (timeline,) = load_profile(bench.output).timelines
    assert timeline.range == "decode"
    assert timeline.program.endswith("-c pass")
    assert not timeline.program.startswith("/")
    rows = timeline.kernel_rows("decode")
    assert [(row.kernel_name, row.total_ns) for row in rows] == [
        (NORM, 40),
        (FP8_GEMM, 20),
        (ODD, 5),
    ]
    printed = capsys.readouterr().out
    assert "top 3 = 100.0 % of GPU time in range 'decode'" in printed
    assert "kernels 65 ns" in printed
    assert "gaps 15 ns; wall 80 ns" in printed
    assert "only the first 'decode' was recorded" in printed
    assert (bench.output / "nsys").is_dir()


def test_names_with_markup_are_printed_as_they_are(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.run(as_json=True)
    found = json.loads(capsys.readouterr().out)
    names = [row["kernel_name"] for row in found["ranges"][0]["kernels"]]
    assert names[2] == ODD
    assert load_profile(bench.output).timelines[0].kernel_rows("decode")[2].kernel_name


def test_without_a_range_the_ranges_that_occur_are_listed(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.run(ranges=[]) is ExitCode.OK
    assert "for --range: 'decode', 'prefill'" in capsys.readouterr().out


def test_a_gated_recording_that_does_not_name_its_range_is_that_range(
    bench: Bench,
) -> None:
    file = NsysFile()
    file.launch((101, 102), (110, 140), name=NORM)
    (bench.faults / "export.sqlite").unlink()
    file.write(bench.faults / "export.sqlite")
    assert bench.run() is ExitCode.OK
    (timeline,) = load_profile(bench.output).timelines
    assert [row.kernel_name for row in timeline.kernel_rows("decode")] == [NORM]
    assert timeline.range_time("decode") is not None


def test_a_range_that_does_not_occur_is_answered_with_those_that_do(
    bench: Bench,
) -> None:
    with pytest.raises(ProfileError, match=r"no range 'nope'.*'decode' \(1\)"):
        bench.run(ranges=["nope", "decode"])
    assert list((bench.output / "nsys").glob("*.sqlite"))  # what was recorded stays


def test_a_recording_without_kernels_says_so(bench: Bench) -> None:
    file = NsysFile()
    file.range("decode", 0, 10)
    file.string("x")
    (bench.faults / "export.sqlite").unlink()
    file.write(bench.faults / "export.sqlite")
    with pytest.raises(ProfileError, match="no kernels were recorded"):
        bench.run()


def test_a_program_that_fails_at_its_end_is_recorded_and_a_finding(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    program = (sys.executable, "-c", "import sys; sys.exit('disk full')")
    assert bench.run(program) is ExitCode.FINDING
    assert "exit status 1: disk full" in capsys.readouterr().err
    (timeline,) = load_profile(bench.output).timelines
    assert "The program ended with exit status 1" in timeline.notes


def test_a_program_that_fails_without_a_recording_is_an_error(bench: Bench) -> None:
    (bench.faults / "never").touch()
    program = (sys.executable, "-c", "import sys; sys.exit('no weights')")
    with pytest.raises(DsprofError, match="exit status 1: no weights"):
        bench.run(program)


def test_the_longest_kernels_are_counted_and_joined(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copyfile(REPORT, bench.faults / "report-1")
    assert bench.run(ncu=True, top=2) is ExitCode.OK
    profile = load_profile(bench.output)
    assert [row.kernel_name for row in profile.counters] == [NORM, FP8_GEMM]
    assert {row.label for row in profile.counters} == {""}
    assert all(row.ranges for row in profile.counters)
    (capture,) = profile.captures
    assert (capture.points, capture.launches, capture.gaps) == (2, 2, ())
    printed = capsys.readouterr().out
    # 30 of RMSNorm's 40 ns and all 20 of the GEMM's.
    assert "2 of 2 kernels with counters" in printed
    assert "cover 83.3 % of their time, and of each at least 75.0 %" in printed


def test_a_kernel_without_counters_is_named_and_a_finding(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copyfile(REPORT, bench.faults / "report-1")
    assert bench.run(ncu=True) is ExitCode.FINDING
    printed = capsys.readouterr().out
    assert "2 of 3 kernels with counters" in printed
    assert f"{ODD}: failed: it was not launched in the range under ncu." in printed
    (gap,) = load_profile(bench.output).captures[0].gaps
    assert gap.label == ODD


def test_counters_that_are_forbidden_leave_the_timeline(bench: Bench) -> None:
    (bench.faults / "log").write_text("==ERROR== ERR_NVGPUCTRPERM\n")
    with pytest.raises(EnvironmentLacksError, match="The timeline is kept"):
        bench.run(ncu=True)
    assert load_profile(bench.output).timelines


def test_a_second_recording_is_added_to_the_first(bench: Bench) -> None:
    bench.run()
    (bench.output / "nsys").rename(bench.folder / "moved")
    bench.device = load_profile(bench.output).device
    bench.run(ranges=["prefill"])
    ranges = [timeline.range for timeline in load_profile(bench.output).timelines]
    assert ranges == ["decode", "prefill"]


def test_a_program_that_hangs_is_told_how_to_keep_more(bench: Bench) -> None:
    (bench.faults / "export.sqlite").unlink()
    NsysFile().write(bench.faults / "export.sqlite")
    program = (sys.executable, "-c", "import time; time.sleep(60)")
    with pytest.raises(DsprofError, match=r"did not end in 1 s .* with --range"):
        bench.run(program, timeout_s=1.0, ranges=[])


def test_a_segmentation_fault_is_told_what_is_known_of_it(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    program = (sys.executable, "-c", "import os; os.kill(os.getpid(), 11)")
    assert bench.run(program) is ExitCode.FINDING
    assert "240,000 kernels in CUDA graphs" in capsys.readouterr().err


def test_where_a_range_never_begins_those_that_do_are_named(bench: Bench) -> None:
    (bench.faults / "never").touch()
    ranges = NsysFile()
    ranges.range("prefill", 0, 10)
    for start in (20, 30):
        ranges.range("decode step", start, start + 5)
    ranges.write(bench.faults / "ranges.sqlite")
    with pytest.raises(DsprofError, match="It has: 'decode step', 'prefill'"):
        bench.run(ranges=["decode"])


def test_where_no_range_ever_begins_that_is_said(bench: Bench) -> None:
    (bench.faults / "never").touch()
    NsysFile().write(bench.faults / "ranges.sqlite")
    with pytest.raises(DsprofError, match="It has none at all"):
        bench.run(ranges=["decode"])
