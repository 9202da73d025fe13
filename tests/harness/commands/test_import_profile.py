import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dsprof.analysis.nsys_sqlite import read_nsys_sqlite
from dsprof.harness.cli import cli
from dsprof.harness.device import device_spec
from dsprof.harness.errors import DsprofError, ExitCode
from dsprof.harness.records import Cache
from dsprof.harness.store import load_profile
from tests.analysis.nsys_files import NsysFile

DATA = Path(__file__).parents[2] / "data"
REPORT = DATA / "h200-three-kernels.ncu-rep"
CSV = DATA / "h200-three-kernels.raw.base.csv"
SAMPLES = Path(__file__).parents[3] / "../shared/samples"
A10G_CSV = (
    '"ID","Process ID","Kernel Name","Block Size","Grid Size","CC","Section Name",'
    '"Metric Name","Metric Unit","Metric Value"\n'
    '"0","1","k(int)","(1, 1, 1)","(2, 1, 1)","8.6","x","gpu__time_duration.sum",'
    '"nsecond","10,776"\n'
)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["import", *map(str, arguments)])


def fails(result: Result) -> str:
    """The message of a command that a DsprofError ended."""
    assert isinstance(result.exception, DsprofError)
    assert result.exception.exit_code is ExitCode.USAGE
    return str(result.exception)


def test_a_report_becomes_a_profile_that_loads(tmp_path: Path) -> None:
    output = tmp_path / "out"
    result = run(REPORT, "-o", output, "--cache", "warm")
    assert result.exit_code == 0
    profile = load_profile(output)
    assert profile.device == device_spec("h200-sxm")
    assert len(profile.counters) == 3
    assert profile.counters[0].duration_ns == 22944
    assert profile.counters[0].nvidia_class == "Latency Issue"
    assert profile.counters[0].cache is Cache.WARM
    [file] = profile.imported
    assert (file.name, file.format, file.launches) == (REPORT.name, "ncu-rep", 3)
    assert len(file.sha256) == 64
    assert profile.commands == (
        "dsprof import h200-three-kernels.ncu-rep -o out --cache warm",
    )


def test_it_says_what_each_file_held_and_what_to_do_next(tmp_path: Path) -> None:
    output = tmp_path / "out"
    text = run(REPORT, CSV, "-o", output).output
    assert "h200-three-kernels.ncu-rep" in text
    assert "ncu CSV, raw page" in text
    assert f"dsprof report {output}" in text
    assert len(load_profile(output).counters) == 6


def test_a_report_that_is_cut_off_gives_its_whole_launches_and_a_note(
    tmp_path: Path,
) -> None:
    cut = tmp_path / "cut.ncu-rep"
    cut.write_bytes(REPORT.read_bytes()[:60_000])
    result = run(cut, "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert "cut off or damaged" in " ".join(result.output.split())
    [file] = load_profile(tmp_path / "out").imported
    assert "cut off or damaged" in file.notes[0]


def test_one_file_that_cannot_be_read_keeps_everything_from_being_written(
    tmp_path: Path,
) -> None:
    bad = tmp_path / "bad.ncu-rep"
    bad.write_bytes(REPORT.read_bytes()[:20_000])
    message = fails(run(REPORT, bad, tmp_path / "absent.csv", "-o", tmp_path / "out"))
    assert "bad.ncu-rep" in message
    assert "absent.csv" in message
    assert not (tmp_path / "out").exists()


def test_a_gpu_that_no_file_names_has_to_be_named(tmp_path: Path) -> None:
    csv = tmp_path / "a10g.csv"
    csv.write_text(A10G_CSV, encoding="utf-8")
    message = fails(run(csv, "-o", tmp_path / "out"))
    assert "compute capability 8.6" in message
    assert "--device" in message
    assert "capability 8.9" in fails(
        run(csv, "-o", tmp_path / "out", "--device", "rtx-4090")
    )
    assert not (tmp_path / "out").exists()


def test_a_gpu_of_a_toml_file_is_taken(tmp_path: Path) -> None:
    csv, toml = tmp_path / "a10g.csv", tmp_path / "a10g.toml"
    csv.write_text(A10G_CSV, encoding="utf-8")
    numbers = {
        "compute_capability": '"8.6"',
        "sms": "80",
        "l2_bytes": "6_291_456",
        "hbm_bytes_per_s": "600e9",
        "flops_per_s.fp32": "31.2e12",
    }
    lines = ["[a10g]", 'name = "NVIDIA A10G"', 'match = ["NVIDIA A10G"]']
    for key, value in numbers.items():
        lines += [f"{key}.value = {value}", f'{key}.source = "data sheet"']
    toml.write_text("\n".join(lines), encoding="utf-8")
    result = run(csv, "-o", tmp_path / "out", "--device", toml)
    assert result.exit_code == 0
    profile = load_profile(tmp_path / "out")
    assert profile.device.name == "NVIDIA A10G"
    assert profile.counters[0].duration_ns == 10776


def test_what_is_recorded_stays_as_it_is(tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(REPORT, "-o", output)
    before = {path: path.read_bytes() for path in output.iterdir()}
    assert "-o" in fails(run(CSV, "-o", output))
    assert {path: path.read_bytes() for path in output.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.sqlite", b"SQLite format 3\0", "cut off"),
        ("x.nsys-rep", b"\0\1\2\3", "nsys export --type sqlite"),
        ("x.qdstrm", b"\0\1\2\3", "QdstrmImporter"),
        ("trace.json", b'{"traceEvents": []}', "no kernels were recorded"),
        ("trace.json", b"{}", "no trace of torch.profiler"),
        ("trace.csv", b'{"traceEvents": [', "was cut off"),
        ("x.gz", gzip.compress(b"a,b", mtime=0), "unpack it"),
        ("x.txt", b"==PROF== Connected to process 1\n", "ncu --import"),
    ],
)
def test_other_kinds_are_recognised_and_refused(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert words in fails(run(path, "-o", tmp_path / "out"))


def decode_file(path: Path) -> Path:
    """Two kernels in range ``decode`` and one outside, on an H200, in nsys' form."""
    file = NsysFile()
    file.range("decode", 0, 100)
    file.launch((10, 20), (30, 50))
    file.launch((30, 40), (60, 70), name="norm()")
    file.launch((110, 120), (130, 140))
    gpu = {"id": 0, "name": "NVIDIA H200", "computeMajor": 9, "computeMinor": 0}
    file.add("TARGET_INFO_GPU", **gpu)
    return file.write(path)


def test_an_nsys_file_becomes_a_profile_with_its_timeline(tmp_path: Path) -> None:
    output = tmp_path / "out"
    path = decode_file(tmp_path / "theirs.sqlite")
    result = run(path, "-o", output, "--range", "decode")
    assert result.exit_code == 0
    profile = load_profile(output)
    assert profile.device == device_spec("h200-sxm")
    (timeline,) = profile.timelines
    assert timeline == read_nsys_sqlite(path, ranges=["decode"])
    [file] = profile.imported
    assert (file.name, file.format, file.launches) == (path.name, "nsys SQLite", 3)
    assert profile.commands == ("dsprof import theirs.sqlite -o out --range decode",)
    assert (
        "theirs.sqlite, decode: kernels 30 ns + copies 0 ns; busy (union) 30 ns; "
        "gaps 10 ns; wall 40 ns; top 20 kernels: 100.0 % of kernel time."
    ) in result.output


def test_a_trace_without_its_gpu_needs_device(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json.gz"
    kernel = {"ph": "X", "cat": "kernel", "name": "k(int)", "ts": 1.5, "dur": 2}
    trace.write_bytes(gzip.compress(json.dumps({"traceEvents": [kernel]}).encode()))
    assert "--device" in fails(run(trace, "-o", tmp_path / "out"))
    result = run(trace, "-o", tmp_path / "out", "--device", "h200-sxm")
    assert result.exit_code == 0
    (timeline,) = load_profile(tmp_path / "out").timelines
    assert timeline.kernel_rows("")[0].total_ns == 2000
    assert "whole recording: kernels 2.000 us" in result.output


def test_a_report_and_a_timeline_make_one_profile(tmp_path: Path) -> None:
    output = tmp_path / "out"
    path = decode_file(tmp_path / "theirs.sqlite")
    assert run(REPORT, path, "-o", output).exit_code == 0
    profile = load_profile(output)
    assert (len(profile.counters), len(profile.timelines)) == (3, 1)


def test_a_range_that_no_timeline_has_is_answered_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    path = decode_file(tmp_path / "theirs.sqlite")
    message = fails(run(path, "-o", tmp_path / "out", "--range", "prefill"))
    assert "'decode' (1)" in message
    message = fails(run(CSV, "-o", tmp_path / "out", "--range", "decode"))
    assert "none of the files is one" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample files here")
def test_a_sample_of_an_unknown_gpu_gets_its_peaks_from_the_report(
    tmp_path: Path,
) -> None:
    report = SAMPLES / "public/esmm__a10g_roofline.ncu-rep"
    result = run(report, "-o", tmp_path / "out")
    assert "computed from the report's own attributes" in result.output
    device = load_profile(tmp_path / "out").device
    assert (device.name, device.sms) == ("NVIDIA A10G", 80)
