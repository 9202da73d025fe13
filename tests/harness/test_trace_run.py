from dataclasses import replace
from pathlib import Path

import pytest

from dsprof.harness.bench import Traced
from dsprof.harness.records import Cache, Measurement, Status
from dsprof.harness.run import Machine, RunRequest, run_sweep
from dsprof.harness.store import load_profile
from dsprof.harness.trace_run import untraced
from tests.conftest import Factory
from tests.harness.test_run import CPU_WORKER, MACHINE, request_for
from tests.harness.test_store import make_span


def traced_request(output: Path, **changes: object) -> RunRequest:
    request = request_for(output, "double", **changes)
    return replace(request, sweep=replace(request.sweep, launches=True))


def machine_with(tracer: str) -> Machine:
    return replace(MACHINE, worker_command=(*CPU_WORKER, "NVIDIA H200", tracer))


def test_a_run_traces_every_timed_point_after_all_were_timed(tmp_path: Path) -> None:
    seen: list[str] = []

    def watch(row: Measurement) -> None:
        seen.append(f"timed {row.point.batch_size}")

    def watch_trace(traced: Traced, left: int) -> None:
        # On disk before it is told of.
        on_disk = {span.label for span in load_profile(tmp_path / "run").launches}
        assert traced.label in on_disk
        seen.append(f"traced {traced.label[-7:]}, {left} left")

    request = traced_request(tmp_path / "run")
    profile = run_sweep(request, watch, MACHINE, watch_trace=watch_trace)
    assert seen == [
        "timed 1", "timed 2", "timed 4",
        "traced B=1,S=1, 2 left", "traced B=2,S=1, 1 left", "traced B=4,S=1, 0 left",
    ]  # fmt: skip
    assert load_profile(tmp_path / "run") == profile
    assert len(profile.launches) == 3 * len(Cache) * 2
    assert profile.summary is not None


def test_launches_can_be_added_to_a_run_that_has_none(tmp_path: Path) -> None:
    timed = run_sweep(request_for(tmp_path / "run", "double"), machine=MACHINE)
    assert timed.launches == ()
    added = run_sweep(traced_request(tmp_path / "run", resume=True), machine=MACHINE)
    assert len(added.launches) == 3 * len(Cache) * 2
    assert added.measurements == timed.measurements
    assert added.summary == timed.summary
    assert added.sweep == replace(timed.sweep, launches=True)


@pytest.mark.parametrize(
    ("tracer", "reasons"),
    [
        ("blind", ["torch.profiler recorded no launch"] * 3),
        ("dying", ["", "worker ended with SIGILL", ""]),
    ],
)
def test_a_point_that_is_not_traced_keeps_its_time(
    tmp_path: Path, tracer: str, reasons: list[str]
) -> None:
    seen: list[Traced] = []
    profile = run_sweep(
        traced_request(tmp_path / "run"),
        machine=machine_with(tracer),
        watch_trace=lambda traced, _left: seen.append(traced),
    )
    assert [row.status for row in profile.measurements] == [Status.OK] * 3
    for traced, reason in zip(seen, reasons, strict=True):
        assert traced.reason.startswith(reason)
        assert bool(traced.launches) == (reason == "")


def test_only_timed_points_of_the_plan_that_lack_launches_are_traced(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = [make_measurement(batch_size=size) for size in (1, 2, 4, 8)]
    rows[0] = make_measurement(batch_size=1, status=Status.FAILED)
    both = [make_span(label=rows[1].point.label, cache=cache) for cache in Cache]
    one = make_span(label=rows[2].point.label, cache=Cache.COLD)
    profile = make_profile(measurements=tuple(rows), launches=(*both, one))
    planned = [row.point for row in rows[:3]]
    assert untraced(profile, planned, profile.sweep) == [rows[2].point]
    cold_is_enough = replace(profile.sweep, caches=(Cache.COLD,))
    assert untraced(profile, planned, cold_is_enough) == []
