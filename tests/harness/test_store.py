import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dsprof.harness import store
from dsprof.harness.errors import ProfileError, UsageError
from dsprof.harness.launch_span import LaunchSpan
from dsprof.harness.records import Cache, Status
from dsprof.harness.store import (
    ProfileWriter,
    find_bundled_profile,
    load_profile,
    load_samples,
)
from dsprof.harness.timeline import KernelTime, RangeTime, Timeline, TimelineTool
from tests.conftest import Factory

SAMPLES = {Cache.WARM: (10.0, 10.5), Cache.COLD: (12.0,)}


@pytest.fixture
def recorded(tmp_path: Path, make_profile: Factory, make_measurement: Factory) -> Path:
    """Record a finished profile of two rows."""
    writer = ProfileWriter.create(tmp_path / "run", make_profile(measurements=()))
    for batch_size in (1, 4):
        writer.append(make_measurement(batch_size=batch_size), SAMPLES)
    writer.pack_samples()
    return writer.path


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}


def test_what_was_written_comes_back(
    recorded: Path, make_profile: Factory, make_measurement: Factory
) -> None:
    rows = (make_measurement(batch_size=1), make_measurement(batch_size=4))
    assert load_profile(recorded) == make_profile(measurements=rows)


def test_every_row_is_on_disk_before_the_next_is_measured(
    tmp_path: Path, make_profile: Factory, make_measurement: Factory
) -> None:
    writer = ProfileWriter.create(tmp_path, make_profile(measurements=()))
    writer.append(make_measurement(), SAMPLES)
    # Not packed: this is what a killed run leaves.
    assert load_profile(tmp_path).measurements == (make_measurement(),)
    assert list(load_samples(tmp_path).time_us) == [10.0, 10.5, 12.0]


def test_raw_samples_are_kept_by_point_and_cache(recorded: Path) -> None:
    frame = load_samples(recorded)
    assert list(frame.columns) == ["label", "cache", "sample", "time_us"]
    first = frame[frame.label == "rmsnorm/input_layernorm/decode/B=1,S=1"]
    assert list(first.cache) == ["warm", "warm", "cold"]
    assert list(first["sample"]) == [0, 1, 0]
    assert not (recorded / store.JOURNAL_FILE).exists()


def test_a_row_cut_off_by_a_kill_is_left_out_and_the_others_load(
    recorded: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = recorded / store.ROWS_FILE
    os.truncate(rows, rows.stat().st_size - 5)
    assert [row.point.batch_size for row in load_profile(recorded).measurements] == [1]
    assert f"{rows}, line 3 is cut off" in caplog.text


def test_a_resumed_profile_drops_the_cut_row_and_goes_on(
    recorded: Path, make_measurement: Factory
) -> None:
    rows = recorded / store.ROWS_FILE
    os.truncate(rows, rows.stat().st_size - 5)
    writer = ProfileWriter.resume(recorded, load_profile(recorded))
    writer.append(make_measurement(batch_size=8), SAMPLES)
    writer.pack_samples()
    sizes = [row.point.batch_size for row in load_profile(recorded).measurements]
    assert sizes == [1, 8]
    assert load_samples(recorded).label.nunique() == 3  # what was measured stays


def test_of_a_point_measured_again_the_last_row_and_samples_count(
    recorded: Path, make_measurement: Factory
) -> None:
    failed = make_measurement(
        batch_size=1, status=Status.FAILED, reason="out of memory"
    )
    writer = ProfileWriter.resume(recorded, load_profile(recorded))
    writer.append(failed, {})
    writer.append(make_measurement(batch_size=4), {Cache.WARM: (20.0, 21.0)})
    writer.pack_samples()
    assert load_profile(recorded).measurements[0] == failed
    again = load_samples(recorded).query(
        "label.str.contains('B=4') and cache == 'warm'"
    )
    assert list(again.time_us) == [20.0, 21.0]


def test_the_header_can_be_updated_without_touching_rows(recorded: Path) -> None:
    before = (recorded / store.ROWS_FILE).read_bytes()
    profile = load_profile(recorded)
    writer = ProfileWriter(recorded, profile)
    writer.update_header(commands=("dsprof time", "dsprof time --resume"))
    assert load_profile(recorded).commands == ("dsprof time", "dsprof time --resume")
    assert (recorded / store.ROWS_FILE).read_bytes() == before


def test_an_existing_folder_is_never_written_to(
    recorded: Path, make_profile: Factory
) -> None:
    before = contents(recorded)
    with pytest.raises(UsageError, match=r"run exists\. Continue it with --resume"):
        ProfileWriter.create(recorded, make_profile())
    assert contents(recorded) == before


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda text: text[: len(text) // 2], r"profile\.json, line \d+: "),
        (lambda _text: "", r"profile\.json, line 1: Expecting value"),
        (lambda _text: "[]", r"profile\.json: schema version None"),
        (lambda text: text.replace('"schema_version": 4', '"schema_version": 99'),
         "schema version 99; this dsprof reads 1, 2, 3, 4"),
        (lambda text: text.replace('"warmups": 10', '"warmups": "ten"'),
         "sweep.warmups: expected int, found 'ten'"),
        (lambda text: text.replace('"slots"', '"slits"'), "unknown field slits"),
    ],
)  # fmt: skip
def test_a_broken_header_is_named_and_left_untouched(
    recorded: Path, damage: object, problem: str
) -> None:
    header = recorded / store.HEADER_FILE
    header.write_text(damage(header.read_text()))  # type: ignore[operator]
    before = contents(recorded)
    with pytest.raises(ProfileError, match=problem):
        load_profile(recorded)
    assert contents(recorded) == before


def test_a_missing_profile_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="Make one with: dsprof time --output"):
        load_profile(tmp_path / "nowhere")


def test_bytes_that_are_no_text_are_named_with_their_line(recorded: Path) -> None:
    with (recorded / store.ROWS_FILE).open("ab") as file:
        file.write(b"\xff\xfe\n")
    with pytest.raises(ProfileError, match=r"timing\.csv, line 4: not UTF-8"):
        load_profile(recorded)


def test_a_header_is_json_that_others_can_read(recorded: Path) -> None:
    header = json.loads((recorded / store.HEADER_FILE).read_text())
    assert header["schema_version"] == 4
    assert header["device"]["id"] == "toy"
    assert "measurements" not in header


def make_span(**changes: Any) -> LaunchSpan:  # noqa: ANN401 -- any field
    span = LaunchSpan(
        label="rmsnorm/input_layernorm/decode/B=4,S=1",
        cache=Cache.COLD,
        index=0,
        function_name="RMSNormKernel",
        start_us=0.0,
        time_us=3.5,
        calls=5,
    )
    return replace(span, **changes)


def test_launches_come_back_and_are_on_disk_point_by_point(recorded: Path) -> None:
    spans = (make_span(), make_span(index=1, start_us=4.25), make_span(label="other"))
    writer = ProfileWriter.resume(recorded, load_profile(recorded))
    writer.add_launches(spans[:2])
    assert load_profile(recorded).launches == spans[:2]
    writer.add_launches(spans[2:])
    assert load_profile(recorded).launches == spans


def test_of_a_point_traced_again_the_last_launches_count(recorded: Path) -> None:
    warm, again = make_span(cache=Cache.WARM), make_span(time_us=3.0)
    writer = ProfileWriter.resume(recorded, load_profile(recorded))
    writer.add_launches([make_span(), make_span(index=1), warm])
    writer.add_launches([again])
    assert load_profile(recorded).launches == (warm, again)


def test_launches_survive_a_new_header_and_a_resumed_run(recorded: Path) -> None:
    writer = ProfileWriter.resume(recorded, load_profile(recorded))
    writer.add_launches([make_span()])
    writer.update_header(commands=("dsprof time --resume",))
    again = ProfileWriter.resume(recorded, load_profile(recorded))
    assert load_profile(recorded).launches == again.profile.launches == (make_span(),)
    assert "launches" not in json.loads((recorded / store.HEADER_FILE).read_text())


def make_timeline(name: str) -> Timeline:
    kernel = KernelTime(
        range="decode",
        kernel_name=name,
        grid=(8, 1, 1),
        block=(128, 1, 1),
        instances=2,
        total_ns=30,
        median_ns=15.0,
        min_ns=10,
        max_ns=20,
        stddev_ns=7.5,
    )
    time = RangeTime(
        name="decode",
        instances=1,
        wall_ns=50,
        busy_ns=30,
        kernel_ns=30,
        copy_ns=0,
        kernels=2,
    )
    return Timeline(
        tool=TimelineTool.NSYS, range="decode", ranges=(time,), kernels=(kernel,)
    )


def test_timelines_come_back_with_their_kernels(recorded: Path) -> None:
    writer = ProfileWriter(recorded, load_profile(recorded))
    timelines = (make_timeline("first"), make_timeline("second"))
    for timeline in timelines:
        writer.add_timeline(timeline)
    assert load_profile(recorded).timelines == timelines
    header = json.loads((recorded / store.HEADER_FILE).read_text())
    assert "kernels" not in header["timelines"][0]  # they are in timeline.csv


def test_a_timeline_that_a_kill_cut_short_is_left_out(
    recorded: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = ProfileWriter(recorded, load_profile(recorded))
    writer.add_timeline(make_timeline("first"))
    header = (recorded / store.HEADER_FILE).read_bytes()
    writer.add_timeline(make_timeline("second"))
    (recorded / store.HEADER_FILE).write_bytes(header)  # it is written last
    assert load_profile(recorded).timelines == (make_timeline("first"),)
    assert "1 rows of a timeline that was not finished" in caplog.text


def test_a_timeline_without_its_file_of_kernels_is_an_error(recorded: Path) -> None:
    writer = ProfileWriter(recorded, load_profile(recorded))
    writer.add_timeline(make_timeline("first"))
    (recorded / store.TIMELINE_FILE).unlink()
    with pytest.raises(ProfileError, match=r"timeline\.csv is missing"):
        load_profile(recorded)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_profile_from_before_timelines_still_loads(
    recorded: Path, version: int
) -> None:
    header = json.loads((recorded / store.HEADER_FILE).read_text())
    del header["timelines"]
    header["schema_version"] = version
    (recorded / store.HEADER_FILE).write_text(json.dumps(header))
    loaded = load_profile(recorded)
    assert (loaded.timelines, loaded.launches) == ((), ())


@pytest.fixture
def bundle(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_profile: Factory,
    make_measurement: Factory,
) -> Callable[..., None]:
    """Add a profile to what is shipped, which is nothing at first."""
    monkeypatch.setattr("dsprof.harness.store.BUNDLED_PROFILES", tmp_path)

    def add(name: str, *kernels: str, ops: tuple[str, ...] = ()) -> None:
        profile = make_profile(measurements=())
        sweep = replace(profile.sweep, kernels=kernels, ops=ops)
        folder = tmp_path / "h200-sxm" / name
        writer = ProfileWriter.create(folder, replace(profile, sweep=sweep))
        for kernel in kernels:
            writer.append(make_measurement(kernel=kernel), {})

    return add


def test_the_bundled_profile_is_the_newest_of_those_with_the_most_kernels(
    bundle: Callable[..., None],
) -> None:
    with pytest.raises(ProfileError, match="No bundled profile"):
        find_bundled_profile()
    for name, kernels in (
        ("1-sweep", ["rmsnorm", "bmm_fp8"]),
        ("2-sweep", ["rmsnorm", "bmm_fp8"]),
        ("3-one-kernel", ["rmsnorm"]),
        ("4-program", []),
    ):
        bundle(name, *kernels)
    assert find_bundled_profile().name == "2-sweep"


def test_an_op_has_the_newest_profile_that_was_asked_for_it(
    bundle: Callable[..., None],
) -> None:
    bundle("1-sweep", "rmsnorm", "bmm_fp8")
    assert find_bundled_profile("experts").name == "1-sweep"
    bundle("2-experts", "moe", ops=("experts",))
    bundle("3-experts", "moe", ops=("gate", "experts"))
    bundle("4-gate", "moe", ops=("gate",))
    assert find_bundled_profile("experts").name == "3-experts"
    assert find_bundled_profile().name == "1-sweep"
