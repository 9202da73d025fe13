import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dsprof.harness.errors import EnvironmentLacksError, UsageError
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Measurement,
    Phase,
    Status,
)
from dsprof.harness.run import Machine, RunRequest, run_sweep
from dsprof.harness.store import load_profile, load_samples
from dsprof.harness.sweep import make_sweep
from tests.harness.toy import KERNELS

CPU_WORKER = (sys.executable, str(Path(__file__).with_name("cpu_worker.py")))


class StillMeter:
    mean_pct = 50.0


@contextmanager
def open_still_meter(_gpu_uuid: str) -> Iterator[StillMeter]:
    yield StillMeter()


MACHINE = Machine(worker_command=CPU_WORKER, open_meter=open_still_meter)


def request_for(output: Path, *names: str, **changes: object) -> RunRequest:
    kernels = [KERNELS[name] for name in names]
    sweep = make_sweep(
        kernels,
        ops=("small",),
        phases=(Phase.DECODE,),
        decode_batch_sizes=(1, 2, 4),
        replays=5,
    )
    request = RunRequest(
        sweep=sweep, kernels=kernels, output=output, command="dsprof time"
    )
    return replace(request, **changes)  # type: ignore[arg-type]


def statuses(profile: Profile) -> list[Status]:
    return [row.status for row in profile.measurements]


def test_a_run_records_every_point_with_roof_and_command(tmp_path: Path) -> None:
    profile = run_sweep(request_for(tmp_path / "run", "double"), machine=MACHINE)
    assert statuses(profile) == [Status.OK] * 3
    row = profile.measurements[0]
    assert row.roof is not None
    assert (row.roof.name, row.roof.bytes_per_s) == ("spec h200-sxm", 4.8e12)
    assert row.command == (
        "dsprof time --kernels double --ops small --phase decode --batch-sizes 1 "
        "--replays 5"
    )
    assert len(load_samples(tmp_path / "run")) == 3 * 2 * 5


def test_a_run_says_how_long_it_took_and_how_noisy_it_was(tmp_path: Path) -> None:
    profile = run_sweep(request_for(tmp_path / "run", "double"), machine=MACHINE)
    assert profile.summary is not None
    assert profile.summary.points == 3
    assert profile.summary.wall_s > 0
    assert profile.summary.gpu_busy_pct == 50.0
    assert [repeat.label[-7:] for repeat in profile.repeats[::2]] == [
        "B=1,S=1",
        "B=4,S=1",
    ]
    assert all(repeat.difference_pct == 0 for repeat in profile.repeats)


def test_a_crash_ends_its_point_and_no_other(tmp_path: Path) -> None:
    request = request_for(tmp_path / "run", "crash", "double")
    profile = run_sweep(request, machine=MACHINE)
    ok, failed = Status.OK, Status.FAILED
    assert statuses(profile) == [ok, failed, ok, ok, ok, ok]
    reason = profile.measurements[1].reason
    assert reason == (
        "worker ended with SIGILL: CUDA error: an illegal instruction was encountered"
    )


def test_a_hang_ends_its_point_after_the_timeout(tmp_path: Path) -> None:
    request = request_for(tmp_path / "run", "hang")
    request = replace(request, sweep=replace(request.sweep, timeout_s=3.0))
    profile = run_sweep(request, machine=MACHINE)
    assert statuses(profile) == [Status.OK, Status.TIMEOUT, Status.OK]
    assert profile.measurements[1].reason == "no answer in 3 s; the worker was killed."


def test_what_a_library_prints_is_no_answer(tmp_path: Path) -> None:
    profile = run_sweep(request_for(tmp_path / "run", "shout"), machine=MACHINE)
    assert statuses(profile) == [Status.OK] * 3


def test_points_that_cannot_run_have_rows_too(tmp_path: Path) -> None:
    request = request_for(tmp_path / "run", "absent", "future", "limited", "triple")
    profile = run_sweep(request, machine=MACHINE)
    assert [row.status for row in profile.measurements[::3]] == [
        Status.UNAVAILABLE,
        Status.UNSUPPORTED,
        Status.OK,
        Status.INCORRECT,
    ]
    reasons = {entry.name: entry.reason for entry in profile.catalogue}
    assert "10.0" in reasons["future"]
    assert reasons["limited"] == ""


def test_where_nothing_can_run_nothing_is_written(tmp_path: Path) -> None:
    request = request_for(tmp_path / "run", "absent", "future")
    with pytest.raises(EnvironmentLacksError, match=r"Nothing can run here.*toylib"):
        run_sweep(request, machine=MACHINE)
    assert not (tmp_path / "run").exists()


def test_an_unknown_gpu_asks_for_its_peaks(tmp_path: Path) -> None:
    machine = replace(MACHINE, worker_command=(*CPU_WORKER, "Mystery GPU"))
    with pytest.raises(
        EnvironmentLacksError, match=r"no peaks of 'Mystery GPU'.*--device"
    ):
        run_sweep(request_for(tmp_path / "run", "double"), machine=machine)
    assert not (tmp_path / "run").exists()


def test_a_worker_that_cannot_start_says_what_it_said(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "raise SystemExit('no torch here')")
    machine = replace(MACHINE, worker_command=command)
    with pytest.raises(EnvironmentLacksError, match="exit status 1: no torch here"):
        run_sweep(request_for(tmp_path / "run", "double"), machine=machine)


def test_an_existing_folder_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="exists"):
        run_sweep(request_for(tmp_path, "double"), machine=MACHINE)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_an_interrupted_run_keeps_its_rows_and_resumes(tmp_path: Path) -> None:
    request = request_for(tmp_path / "run", "double", "crash")

    def interrupt(row: Measurement) -> None:
        if row.point.batch_size == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(request, interrupt, machine=MACHINE)
    partial = load_profile(request.output)
    assert statuses(partial) == [Status.OK] * 3
    assert partial.summary is None
    measured: list[Measurement] = []
    resumed = replace(request, resume=True, command="dsprof time --resume")
    profile = run_sweep(resumed, measured.append, machine=MACHINE)
    assert [row.point.kernel for row in measured] == ["crash"] * 3
    assert len(profile.measurements) == 6
    assert profile.commands == ("dsprof time", "dsprof time --resume")


def test_a_resumed_run_tries_failed_points_again_and_no_other(tmp_path: Path) -> None:
    request = request_for(tmp_path / "run", "crash")
    run_sweep(request, machine=MACHINE)
    measured: list[Measurement] = []
    run_sweep(replace(request, resume=True), measured.append, machine=MACHINE)
    assert [row.point.batch_size for row in measured] == [2]


def test_a_run_on_other_software_cannot_be_continued(tmp_path: Path) -> None:
    request = request_for(tmp_path / "run", "double")
    run_sweep(request, machine=MACHINE)
    header = request.output / "profile.json"
    header.write_text(header.read_text().replace('"torch": "', '"torch": "9'))
    with pytest.raises(UsageError, match="was recorded with torch 9"):
        run_sweep(replace(request, resume=True), machine=MACHINE)


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    task = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in task.read_text().split()]


def is_running(pid: int) -> bool:
    """False for a process that is gone or only waits to be collected."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_a_killed_run_loses_only_the_point_in_flight(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from tests.harness.test_run import MACHINE, request_for, run_sweep\n"
        "run_sweep(request_for(Path(sys.argv[2]), 'double', 'hang'), machine=MACHINE)\n"
    )
    root, output = Path(__file__).parents[2], tmp_path / "run"
    run = subprocess.Popen([sys.executable, "-c", code, str(root), str(output)])
    worker = None
    deadline = time.monotonic() + 60
    rows = output / "timing.csv"
    while not rows.exists() or rows.read_text().count("\n") < 5:  # header and 4 rows
        assert time.monotonic() < deadline
        worker = next(iter(children(run.pid)), None)
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert worker is not None
    while is_running(worker):  # although its point hangs
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert statuses(load_profile(output)) == [Status.OK] * 4
    assert load_samples(output).label.nunique() == 4


def test_points_of_its_own_are_added_to_a_recorded_run_without_touching_its_summary(
    tmp_path: Path,
) -> None:
    output = tmp_path / "run"
    before = run_sweep(request_for(output, "double"), machine=MACHINE)
    extra = replace(before.measurements[0].point, batch_size=16)
    request = request_for(output, "double", resume=True, points=[extra])
    after = run_sweep(request, machine=MACHINE)
    assert [row.point for row in after.measurements] == [
        *(row.point for row in before.measurements),
        extra,
    ]
    assert after.summary == before.summary
    assert after.commands == (*before.commands, "dsprof time")


def test_a_new_run_can_be_of_points_instead_of_a_sweep(tmp_path: Path) -> None:
    request = request_for(tmp_path / "run", "double")
    chosen = [request.planned[1]]
    profile = run_sweep(replace(request, points=chosen), machine=MACHINE)
    assert [row.point for row in profile.measurements] == chosen
    assert profile.summary is not None
    assert profile.summary.points == 1
