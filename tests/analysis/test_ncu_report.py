"""``recording`` is ours; the sample files are compared with what NVIDIA's tool said."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from dsprof.analysis import ncu_report
from dsprof.analysis.launches import Launch, to_counters
from dsprof.analysis.ncu_report import read_ncu_report
from dsprof.harness.counters import counter_metrics
from dsprof.harness.errors import ProfileError
from tests.analysis.report_blocks import read_blocks, repeated

RECORDING = Path(__file__).parents[1] / "data/h200-three-kernels.ncu-rep"
SAMPLES = Path(__file__).parents[2] / "../shared/samples"
EXPECTED = SAMPLES / "expected/ncu_report_values.json"
needs_samples = pytest.mark.skipif(not EXPECTED.is_file(), reason="no sample files")
VERSION_AT = 9


@pytest.fixture(scope="module")
def launches() -> tuple[Launch, ...]:
    return read_ncu_report(RECORDING).launches


def test_a_launch_has_its_names_sizes_ranges_gpu_and_rules(
    launches: tuple[Launch, ...],
) -> None:
    assert [launch.function_name for launch in launches] == [
        "RMSNormKernel",
        "nvjet_sm90_qqtst_256x128_128x4_2x1_v_bz_coopA_TNT",
        "nvjet_sm90_tst_256x128_64x4_1x2_h_bz_coopA_NNT",
    ]
    first = launches[0]
    assert first.kernel_name.startswith("void flashinfer::norm::RMSNormKernel<")
    assert first.mangled_name.startswith("_ZN10flashinfer4norm13RMSNormKernel")
    assert (first.grid, first.block) == ((2048, 1, 1), (32, 28, 1))
    assert first.push_pop == ("dsprof:capture", "dsprof:rmsnorm/input_layernorm")
    assert first.start_end == ()
    assert (first.device_name, first.compute_capability) == ("NVIDIA H200", (9, 0))
    assert first.rules == {"SOLBottleneck": "Latency Issue"}
    assert launches[2].rules == {"SOLBottleneck": "High Throughput"}


def test_values_are_whole_doubles_in_base_units(launches: tuple[Launch, ...]) -> None:
    bf16 = launches[2]
    wanted = {
        "sm__ops_path_tensor_src_bf16_dst_fp32.sum": 137_438_953_472,  # 2 x 4096^3
        "gpu__time_duration.sum": 174_240.0,
    }
    assert bf16.values.items() >= wanted.items()  # noqa: PD011 -- no frame
    assert bf16.units["gpu__time_duration.sum"] == "ns"
    assert bf16.units["dram__bytes.sum.per_second"] == "byte/s"


def test_only_what_is_needed_is_read_unless_all_is_asked_for() -> None:
    needed = read_ncu_report(RECORDING).launches[0]
    every = read_ncu_report(RECORDING, all_metrics=True).launches[0]
    assert needed.units.keys() < every.units.keys()
    assert every.absent == {"derived__local_spilling_requests_pct": "no data"}
    assert to_counters(needed, cache=None, index=0) == to_counters(
        every, cache=None, index=0
    )


def test_every_length_of_a_cut_report_ends_in_an_error_or_a_note(
    tmp_path: Path,
) -> None:
    content = RECORDING.read_bytes()
    path = tmp_path / "cut.ncu-rep"
    seen = set()
    for size in (*range(1, 40), *range(40, len(content), 997), len(content) - 1):
        path.write_bytes(content[:size])
        try:
            result = read_ncu_report(path)
        except ProfileError:
            seen.add(0)
            continue
        seen.add(len(result.launches))
        assert len(result.launches) < 3
        ends_in_a_launch = "cut off or damaged" in " ".join(result.notes)
        assert ends_in_a_launch or size in block_ends(content)
    assert seen == {0, 1, 2}


def block_ends(content: bytes) -> set[int]:
    return {block.end for block in read_blocks(content)}


def test_a_damaged_launch_between_good_ones_is_named(tmp_path: Path) -> None:
    content = bytearray(RECORDING.read_bytes())
    second = [block for block in read_blocks(bytes(content)) if block.results][1]
    content[second.end - 2000 : second.end - 1000] = b"\xff" * 1000
    path = tmp_path / "damaged.ncu-rep"
    path.write_bytes(content)
    result = read_ncu_report(path)
    assert [launch.function_name[:8] for launch in result.launches] == [
        "RMSNorm" + "K",
        "nvjet_sm",
    ]
    assert result.notes[0].startswith("launch 2 of 3 cannot be read")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"NVR\0" + b"\xa5" * 5000, "no launch"),
        (bytes(range(1, 256)) * 4 + b"\0", "binary"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b'"ID","Kernel Name"\n', "text"),
        (b"{}", "text"),
        (b"\x28\xb5\x2f\xfd1234", "ncu-repz"),
    ],
)
def test_what_is_no_report_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x.ncu-rep"
    path.write_bytes(content)
    with pytest.raises(ProfileError, match=words):
        read_ncu_report(path)


def test_folders_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="is a folder"):
        read_ncu_report(tmp_path)
    with pytest.raises(ProfileError, match=r"No file .*absent"):
        read_ncu_report(tmp_path / "absent.ncu-rep")
    nsys = tmp_path / "x.nsys-rep"
    nsys.write_bytes(b"\x01\x02\0\0")
    with pytest.raises(ProfileError, match="Nsight Systems"):
        read_ncu_report(nsys)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.ncu-rep"
    path.write_bytes(b"NVR\0")
    path.chmod(0)
    with pytest.raises(ProfileError, match="Permission denied"):
        read_ncu_report(path)


def test_a_newer_file_version_is_noted_or_says_how_to_update(tmp_path: Path) -> None:
    content = bytearray(RECORDING.read_bytes())
    content[VERSION_AT] = 9
    path = tmp_path / "newer.ncu-rep"
    path.write_bytes(content)
    result = read_ncu_report(path)
    assert len(result.launches) == 3
    assert "file version 9 is newer" in result.notes[0]
    path.write_bytes(content[:100])
    with pytest.raises(ProfileError, match="upgrade ncu-report"):
        read_ncu_report(path)


def test_an_older_file_version_says_what_to_do(tmp_path: Path) -> None:
    content = bytearray(RECORDING.read_bytes())
    content[VERSION_AT] = 6
    path = tmp_path / "older.ncu-rep"
    path.write_bytes(content)
    with pytest.raises(ProfileError, match="file version 6"):
        read_ncu_report(path)


def test_nothing_is_printed_about_a_broken_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.ncu-rep"
    path.write_bytes(RECORDING.read_bytes()[:30_000])
    with pytest.raises(ProfileError):
        read_ncu_report(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_thousand_launches_are_a_frame_in_under_ten_seconds(tmp_path: Path) -> None:
    """With the sample: its launches have 1,266 metrics and 630 kB each."""
    sample = SAMPLES / "h200/sections.ncu-rep"
    source = sample if sample.is_file() else RECORDING
    path = tmp_path / "thousand.ncu-rep"
    repeated(source, path, times=997)
    start = time.perf_counter()
    result = read_ncu_report(path)
    counters = [
        to_counters(launch, cache=None, index=index)
        for index, launch in enumerate(result.launches)
    ]
    frame = pd.DataFrame(
        [{name: getattr(row, name) for name in counter_metrics()} for row in counters]
    )
    assert time.perf_counter() - start < 10
    assert len(frame) == 1000
    assert result.notes == ()


def test_a_large_report_reads_as_it_would_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.ncu-rep"
    repeated(RECORDING, path, times=30)
    whole = read_ncu_report(path)
    monkeypatch.setattr(ncu_report, "LARGE_BYTES", 1)
    assert read_ncu_report(path) == whole
    assert len(whole.launches) == 33


# NVIDIA's module gives a "derived__" metric the unit "inst" or "thread", whichever it
# met first in the process; a process that reads nothing else always says the same.
READ_ALONE = """
import dataclasses, json, pathlib, sys
from dsprof.analysis.ncu_report import read_ncu_report
result = read_ncu_report(pathlib.Path(sys.argv[1]), all_metrics=True)
assert result.notes == ()
fields = ("function_name", "kernel_name", "mangled_name", "push_pop", "start_end")
print(json.dumps([
    {name: getattr(launch, name) for name in fields}
    | {name: dict(getattr(launch, name)) for name in ("values", "units", "rules")}
    for launch in result.launches
]))
"""


@needs_samples
@pytest.mark.parametrize(
    "name",
    json.loads(EXPECTED.read_text(encoding="utf-8")) if EXPECTED.is_file() else [],
)
def test_every_expected_value_of_the_samples_is_read_exactly(name: str) -> None:
    actions = json.loads(EXPECTED.read_text(encoding="utf-8"))[name]["actions"]
    child = subprocess.run(
        [sys.executable, "-P", "-c", READ_ALONE, str(sample_path(name))],
        capture_output=True,
        check=True,
    )
    for launch, action in zip(json.loads(child.stdout), actions, strict=True):
        assert launch["function_name"] == action["function"]
        assert launch["kernel_name"] == action["demangled"]
        assert launch["mangled_name"] == action["mangled"]
        assert len(launch["units"]) == action["n_metrics"]
        for metric, wanted in action["metrics"].items():
            assert launch["values"][metric] == wanted["value"], metric
            assert launch["units"][metric] == wanted["unit"], metric
        titles = action.get("sol_rule") or action["sol_rule_title"]
        assert [launch["rules"]["SOLBottleneck"]] == titles
        for kind in ("push_pop", "start_end"):
            assert launch[kind] == [
                f"{domain}:{range_}"
                for domain, stack in action.get("nvtx", {}).items()
                for range_ in stack[kind]
            ]


@needs_samples
@pytest.mark.parametrize(
    "name",
    json.loads(EXPECTED.read_text(encoding="utf-8")) if EXPECTED.is_file() else [],
)
def test_a_slim_copy_of_a_sample_says_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_ncu_report(sample_path(name))
    monkeypatch.setattr(ncu_report, "LARGE_BYTES", 1)
    assert read_ncu_report(sample_path(name)) == whole


def sample_path(name: str) -> Path:
    return next(p for p in (SAMPLES / name, SAMPLES / "public" / name) if p.is_file())
