import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dsprof.harness.capture import CaptureRequest, CaptureResult, Watch, capture
from dsprof.harness.counters import Counters
from dsprof.harness.errors import ProfileError
from dsprof.harness.ncu import NcuOptions
from dsprof.harness.records import Cache, Phase, Point, Status

HERE = Path(__file__).parent
WORKER = (sys.executable, str(HERE / "cpu_capture_worker.py"))
FAKE_NCU = HERE / "fake_ncu.py"


def point(kernel: str, batch_size: int) -> Point:
    return Point(
        kernel=kernel,
        op="small",
        phase=Phase.DECODE,
        batch_size=batch_size,
        seq_len=1,
    )


def read(report: Path) -> list[Counters]:
    labels = json.loads(report.read_text())
    return [Counters(label=label, kernel_name="k") for label in labels]


@pytest.fixture
def faults(tmp_path: Path) -> Path:
    folder = tmp_path / "faults"
    folder.mkdir()
    return folder


@pytest.fixture
def request_of(tmp_path: Path, faults: Path) -> "RequestOf":
    return RequestOf(tmp_path, faults)


class RequestOf:
    """Makes capture requests that go through the stand-in for ncu."""

    def __init__(self, folder: Path, faults: Path) -> None:
        self._folder = folder
        script = folder / "ncu"
        script.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" "{FAKE_NCU}" "{faults}" "$@"\n'
        )
        script.chmod(0o755)
        self._ncu = str(script)

    def __call__(self, *points: Point, timeout_s: float = 60.0) -> CaptureRequest:
        return CaptureRequest(
            points=points,
            metrics=("gpu__time_duration.sum",),
            options=NcuOptions(cache=Cache.COLD),
            folder=self._folder / "run" / "ncu",
            name="cold",
            timeout_s=timeout_s,
            ncu=self._ncu,
            worker_command=WORKER,
        )


def labels(result: CaptureResult) -> list[str]:
    return list(dict.fromkeys(row.label for row in result.counters))


def processes(request: CaptureRequest) -> int:
    return len(list(request.folder.glob("*.log")))


def test_many_points_go_through_one_process(request_of: RequestOf) -> None:
    points = [point("double", 1), point("double", 4), point("shout", 1)]
    request = request_of(*points)
    result = capture(request, read)
    assert labels(result) == [p.label for p in points]
    assert [row.launch for row in result.counters] == [0, 1] * 3
    assert (result.gaps, result.max_passes, processes(request)) == ([], 11, 1)


def test_a_point_that_raises_has_its_reason_and_the_others_their_counters(
    request_of: RequestOf,
) -> None:
    result = capture(request_of(point("complain", 1), point("double", 1)), read)
    assert labels(result) == [point("double", 1).label]
    (gap,) = result.gaps
    assert (gap.label, gap.status) == (point("complain", 1).label, Status.FAILED)
    assert gap.reason == "RuntimeError: the kernel refused"


def test_a_crash_costs_only_its_own_point(request_of: RequestOf) -> None:
    points = [point("double", 1), point("crash", 2), point("double", 4)]
    request = request_of(*points)
    result = capture(request, read)
    assert sorted(labels(result)) == sorted([points[0].label, points[2].label])
    (gap,) = result.gaps
    assert (gap.label, gap.status) == (points[1].label, Status.FAILED)
    assert processes(request) == 3  # all, those not reached, the crashing one alone


def test_a_hang_is_ended_and_the_points_after_it_still_run(
    request_of: RequestOf,
) -> None:
    points = [point("double", 1), point("hang", 2), point("double", 4)]
    result = capture(request_of(*points, timeout_s=1.5), read)
    assert sorted(labels(result)) == sorted([points[0].label, points[2].label])
    (gap,) = result.gaps
    assert (gap.label, gap.status) == (points[1].label, Status.TIMEOUT)
    assert "killed" in gap.reason


def test_a_point_that_the_report_lacks_is_tried_again_alone(
    request_of: RequestOf, faults: Path
) -> None:
    points = [point("double", 1), point("double", 4)]
    (faults / "drop").write_text(points[0].label)
    request = request_of(*points)
    result = capture(request, read)
    assert sorted(labels(result)) == sorted(p.label for p in points)
    assert (result.gaps, processes(request)) == ([], 2)


@pytest.mark.parametrize(
    ("log", "fix"),
    [
        ("==ERROR== ERR_NVGPUCTRPERM - The user does not have permission", "as root"),
        ("==ERROR== LibraryNotLoaded", "NVIDIA_DRIVER_CAPABILITIES"),
        ("==ERROR== driver resource was unavailable. DCGM", "dcgmi profile --pause"),
    ],
)
def test_what_no_other_try_can_mend_ends_the_capture_with_the_fix(
    request_of: RequestOf, faults: Path, log: str, fix: str
) -> None:
    (faults / "log").write_text(f"{log}\n")
    (faults / "refuse").touch()
    points = [point("double", 1), point("double", 4)]
    request = request_of(*points)
    result = capture(request, read)
    assert result.error is not None
    assert fix in result.error.reason
    assert [gap.status for gap in result.gaps] == [Status.UNAVAILABLE] * 2
    assert processes(request) == 1


def test_a_worker_that_does_not_start_is_not_tried_for_every_point(
    request_of: RequestOf, faults: Path
) -> None:
    (faults / "refuse").touch()
    (faults / "log").write_text("==ERROR== The application returned an error code (1)")
    request = request_of(point("double", 1), point("double", 4))
    result = capture(request, read)
    assert processes(request) == 1
    assert {gap.status for gap in result.gaps} == {Status.FAILED}
    assert "See whether dsprof time runs the point" in result.gaps[0].reason


def test_a_report_that_cannot_be_read_is_a_warning_and_its_points_are_tried_alone(
    request_of: RequestOf,
) -> None:
    def read_alone(report: Path) -> Sequence[Counters]:
        if len(read(report)) > 2:
            raise ProfileError(f"{report}: truncated.")
        return read(report)

    result = capture(request_of(point("double", 1), point("double", 4)), read_alone)
    assert len(labels(result)) == 2
    assert result.gaps == []
    assert "truncated" in result.warnings[0]


def test_launches_are_handed_on_as_soon_as_their_process_has_ended(
    request_of: RequestOf,
) -> None:
    begun: list[str] = []
    kept: list[list[str]] = []
    watch = Watch(
        point=begun.append, counters=lambda rows: kept.append([r.label for r in rows])
    )
    points = (point("double", 1), point("crash", 2))
    capture(replace(request_of(*points)), read, watch)
    assert kept[0] == [points[0].label] * 2
    assert set(begun) == {p.label for p in points}


def test_a_count_that_differs_from_what_ncu_said_is_a_warning(
    request_of: RequestOf,
) -> None:
    result = capture(request_of(point("double", 1)), lambda report: read(report)[:1])
    assert "holds 1 launches; ncu says that it profiled 2" in result.warnings[0]


def test_the_command_that_is_kept_names_programs_without_their_folders(
    request_of: RequestOf,
) -> None:
    result = capture(request_of(point("double", 1)), read)
    assert result.command.startswith("ncu --target-processes all")
    assert f"{Path(sys.executable).name} " in result.command
    assert sys.executable not in result.command
