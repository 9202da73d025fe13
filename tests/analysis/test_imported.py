from dataclasses import replace
from pathlib import Path

import pytest

from dsprof.analysis.imported import (
    ReadFile,
    all_counters,
    find_device,
    imported_profile,
    read_files,
)
from dsprof.analysis.launches import Launch, ReadResult
from dsprof.harness.device import DeviceSpec, device_spec
from dsprof.harness.errors import ProfileError, UsageError
from dsprof.harness.records import Cache

DATA = Path(__file__).parents[1] / "data"
REPORT = DATA / "h200-three-kernels.ncu-rep"
CSV = DATA / "h200-three-kernels.raw.base.csv"


def file_of(*launches: Launch, name: str = "a.csv") -> ReadFile:
    result = ReadResult(launches=launches, format="ncu CSV, details page")
    return ReadFile(path=Path(name), sha256=name, result=result)


def on(name: str, capability: tuple[int, int]) -> Launch:
    return Launch(kernel_name="k", device_name=name, compute_capability=capability)


def test_files_are_told_apart_by_content_not_by_name(tmp_path: Path) -> None:
    report, csv = tmp_path / "report.csv", tmp_path / "table.ncu-rep"
    report.write_bytes(REPORT.read_bytes())
    csv.write_bytes(CSV.read_bytes())
    read = read_files([report, csv])
    assert [file.result.format for file in read] == ["ncu-rep", "ncu CSV, raw page"]


def test_every_file_that_cannot_be_read_is_named_at_once(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.touch()
    with pytest.raises(ProfileError) as caught:
        read_files([REPORT, empty, tmp_path / "absent"])
    message = str(caught.value)
    assert message.startswith("2 files cannot be read, so nothing was written:")
    assert "empty.csv is empty" in message
    assert "absent" in message


def test_one_file_under_two_names_does_not_count_twice(tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    twin.write_bytes(REPORT.read_bytes())
    with pytest.raises(UsageError, match="same content"):
        read_files([REPORT, twin])
    with pytest.raises(UsageError, match="same content"):
        read_files([REPORT, REPORT])


def test_a_profile_names_its_files_and_has_a_row_a_launch() -> None:
    files = read_files([REPORT, CSV])
    device = find_device(files, None)
    profile = imported_profile(files, device, cache=Cache.COLD, command="dsprof import")
    assert profile.device == device_spec("h200-sxm")
    assert [file.launches for file in profile.imported] == [3, 3]
    assert [row.launch for row in profile.counters] == [0, 1, 2, 3, 4, 5]
    assert {row.cache for row in profile.counters} == {Cache.COLD}
    assert profile.environment["gpu"] == "NVIDIA H200"
    assert profile.measurements == ()
    assert profile.summary is None


def test_launches_are_numbered_within_the_label_that_dsprof_gave_them() -> None:
    launch = on("", (9, 0))
    ours = replace(launch, start_end=("dsprof:rmsnorm/op",))
    rows = all_counters([launch, ours, ours, launch], None)
    assert [(row.label, row.launch) for row in rows] == [
        ("", 0),
        ("rmsnorm/op", 0),
        ("rmsnorm/op", 1),
        ("", 1),
    ]


@pytest.mark.parametrize(
    "other",
    [on("NVIDIA B200", (10, 0)), on("NVIDIA H100", (9, 0)), on("", (8, 0))],
)
def test_files_of_different_gpus_are_refused_with_what_differs(other: Launch) -> None:
    files = [file_of(on("NVIDIA H200", (9, 0))), file_of(other, name="b.csv")]
    with pytest.raises(UsageError, match="different GPUs") as caught:
        find_device(files, None)
    assert "a.csv: NVIDIA H200, 9.0" in str(caught.value)
    assert "b.csv: " in str(caught.value)


def test_a_file_that_names_no_gpu_goes_with_one_that_does() -> None:
    files = [file_of(on("", (9, 0))), file_of(on("NVIDIA H200", (9, 0)))]
    assert find_device(files, None) == device_spec("h200-sxm")


def test_an_unknown_gpu_asks_for_device_with_its_compute_capability() -> None:
    with pytest.raises(UsageError, match=r"compute capability 8\.6.*--device"):
        find_device([file_of(on("", (8, 6)))], None)
    with pytest.raises(UsageError, match=r"peaks of Some GPU.*capability 8\.6"):
        find_device([file_of(on("Some GPU", (8, 6)))], None)


def test_a_device_that_is_named_has_to_be_of_the_files_capability(
    toy_gpu: DeviceSpec,
) -> None:
    assert find_device([file_of(on("", (9, 0)))], toy_gpu) == toy_gpu
    assert find_device([file_of(on("", (0, 0)))], toy_gpu) == toy_gpu
    with pytest.raises(UsageError, match=r"--device toy.*9\.0.*files are of 8\.6"):
        find_device([file_of(on("", (8, 6)))], toy_gpu)
