"""Runs a sweep: points through a worker that may die, rows to disk as they come."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from dsprof.harness.clocks import BusyMeter
from dsprof.harness.device import DeviceSpec, match_device
from dsprof.harness.environment import collect_environment
from dsprof.harness.errors import EnvironmentLacksError, UsageError
from dsprof.harness.exports import write_exports
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    CatalogueEntry,
    Measurement,
    Point,
    RepeatedPoint,
    Roof,
    RunSummary,
    Status,
    Sweep,
)
from dsprof.harness.restarting_worker import RestartingWorker
from dsprof.harness.store import ProfileWriter, load_profile, refuse_existing
from dsprof.harness.sweep import plan, reproduce_command
from dsprof.harness.trace_run import Watch, trace_launches, untraced
from dsprof.harness.worker import Greeting
from dsprof.harness.worker_process import WORKER_COMMAND
from dsprof.kernels import deepseek, layer
from dsprof.kernels.registry import NO_FILE_REASON, kernel_files
from dsprof.kernels.spec import Kernel

# Statuses that a resumed run tries again; the others would come out the same.
RETRIED = frozenset({Status.FAILED, Status.TIMEOUT})


# What decides a kernel's speed: rows measured with different ones do not belong in
# one profile.
SAME_WHEN_RESUMED = (
    "gpu", "driver", "cuda_driver", "torch", "torch_cuda", "triton", "sgl_kernel",
)  # fmt: skip


class Meter(Protocol):
    """Measures how busy the GPU is while its block runs."""

    @property
    def mean_pct(self) -> float | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """How a run reaches its GPU; the defaults are the real one."""

    worker_command: Sequence[str] = WORKER_COMMAND
    open_meter: Callable[[str], AbstractContextManager[Meter]] = BusyMeter


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What to measure and where to; ``device`` overrides the GPU's own roofs.

    ``points``, if given, are measured instead of the sweep's plan; to a recorded
    run that is resumed they are an addition, which its summary does not count.
    """

    sweep: Sweep
    kernels: Sequence[Kernel]
    output: Path
    command: str
    device: DeviceSpec | None = None
    resume: bool = False
    points: Sequence[Point] | None = None

    @property
    def planned(self) -> Sequence[Point]:
        return plan(self.sweep, self.kernels) if self.points is None else self.points


def run_sweep(
    request: RunRequest,
    watch: Callable[[Measurement], None] = lambda _row: None,
    machine: Machine | None = None,
    *,
    watch_trace: Watch = lambda _traced, _left: None,
) -> Profile:
    """Measure the request's points and return the recorded profile.

    ``watch`` sees each new row once it is on disk, and ``watch_trace`` each traced
    point and how many are left. Raises EnvironmentLacksError before anything is
    written where nothing of the sweep can run.
    """
    machine = machine or Machine()
    profile = _run_timings(request, watch, machine)
    if request.sweep.launches:
        profile = _run_traces(request, profile, watch_trace, machine)
    return profile


def _run_timings(
    request: RunRequest, watch: Callable[[Measurement], None], machine: Machine
) -> Profile:
    started, start_s = datetime.now(UTC), time.monotonic()
    if not request.resume:
        refuse_existing(request.output)
    worker = RestartingWorker(request.sweep, request.kernels, machine.worker_command)
    try:
        _require_any(request.sweep, worker.greeting)
        with machine.open_meter(worker.greeting.gpu_uuid) as meter:
            writer, points = _open(request, worker)
            try:
                _measure(request, worker, writer, points, watch)
            finally:
                writer.pack_samples()
                write_exports(request.output, load_profile(request.output))
        finished = writer.profile.summary is not None and not points
        if not finished and not (request.resume and request.points):
            writer.update_header(
                summary=RunSummary(
                    started=started.isoformat(timespec="seconds"),
                    wall_s=round(time.monotonic() - start_s, 1),
                    points=len(points),
                    gpu_busy_pct=meter.mean_pct,
                )
            )
    finally:
        worker.close()
    profile = load_profile(request.output)
    write_exports(request.output, profile)
    return profile


def _run_traces(
    request: RunRequest, profile: Profile, watch: Watch, machine: Machine
) -> Profile:
    """Trace what was timed, in a new worker: a profiler slows what comes after it."""
    points = untraced(profile, frozenset(request.planned), request.sweep)
    if not points:
        return profile
    writer = ProfileWriter(request.output, profile)
    worker = RestartingWorker(request.sweep, request.kernels, machine.worker_command)
    trace_launches(writer, points, worker, watch)
    return writer.profile


def _open(
    request: RunRequest, worker: RestartingWorker
) -> tuple[ProfileWriter, list[Point]]:
    """Start or continue the profile; the second value is what is left to measure."""
    device = request.device or known_device(
        worker.greeting.gpu_name, worker.greeting.compute_capability
    )
    environment = collect_environment(gpu_uuid=worker.greeting.gpu_uuid)
    points = list(request.planned)
    if request.resume:
        recorded = load_recorded(request.output, device, environment)
        done = points_done(recorded)
        asked = recorded.sweep.launches or request.sweep.launches
        recorded = replace(
            recorded,
            commands=(*recorded.commands, request.command),
            sweep=replace(recorded.sweep, launches=asked),
        )
        writer = ProfileWriter.resume(request.output, recorded)
        return writer, [point for point in points if point not in done]
    profile = Profile(
        device=device,
        environment=environment,
        commands=(request.command,),
        sweep=request.sweep,
        model=deepseek.MODEL_PARAMETERS,
        catalogue=catalogue(request.kernels, worker.greeting.missing),
        slots=layer.SLOTS,
        repeats=_measure_repeats(worker, points),
        overheads_us=worker.greeting.overheads_us,
        summary=None,
        measurements=(),
    )
    return ProfileWriter.create(request.output, profile), points


def _measure(
    request: RunRequest,
    worker: RestartingWorker,
    writer: ProfileWriter,
    points: Sequence[Point],
    watch: Callable[[Measurement], None],
) -> None:
    for point in points:
        outcome = worker.measure(point)
        row = _placed(outcome.measurement, writer.profile.device, request.sweep)
        writer.append(row, outcome.samples_us)
        watch(row)


def points_done(profile: Profile) -> frozenset[Point]:
    """Points that a resumed run leaves alone."""
    return frozenset(
        row.point for row in profile.measurements if row.status not in RETRIED
    )


def catalogue(
    kernels: Sequence[Kernel], missing: Mapping[str, str]
) -> tuple[CatalogueEntry, ...]:
    """The model's kernels and these, each with why it cannot run here, if it cannot."""
    entries = {kernel.name: _entry(kernel, missing) for kernel in kernels}
    for name, source, category in deepseek.KERNELS:
        entries.setdefault(
            name,
            CatalogueEntry(
                name=name,
                source=source,
                category=category,
                summary="",
                ops=(),
                limits=(),
                reason=(
                    "not part of this run" if name in kernel_files() else NO_FILE_REASON
                ),
            ),
        )
    order = {name: index for index, (name, _, _) in enumerate(deepseek.KERNELS)}
    return tuple(sorted(entries.values(), key=lambda e: order.get(e.name, len(order))))


def _entry(kernel: Kernel, missing: Mapping[str, str]) -> CatalogueEntry:
    return CatalogueEntry(
        name=kernel.name,
        source=kernel.source,
        category=kernel.category,
        summary=kernel.summary,
        ops=tuple(op.name for op in kernel.ops),
        limits=tuple(limit.reason for limit in kernel.limits),
        reason=missing.get(kernel.name, ""),
    )


def known_device(driver_name: str, compute_capability: tuple[int, int]) -> DeviceSpec:
    """The peaks of a GPU that is here; EnvironmentLacksError where none are known."""
    device = match_device(driver_name, compute_capability)
    if device is None:
        raise EnvironmentLacksError(
            f"dsprof knows no peaks of '{driver_name}'. Name a GPU that has the "
            "same with --device, or describe it in a TOML file: --device FILE."
        )
    return device


def _require_any(sweep: Sweep, greeting: Greeting) -> None:
    if len(greeting.missing) == len(sweep.kernels):
        reasons = dict.fromkeys(greeting.missing.values())
        raise EnvironmentLacksError(f"Nothing can run here. {' '.join(reasons)}")


def load_recorded(
    output: Path, device: DeviceSpec, environment: Mapping[str, str | None]
) -> Profile:
    """Load a profile to go on with; another GPU or software cannot continue it."""
    profile = load_profile(output)
    if profile.device.id != device.id:
        raise UsageError(
            f"{output} was recorded on {profile.device.name}; this is {device.name}. "
            "Continue it there, or record a new profile with another --output."
        )
    for name in SAME_WHEN_RESUMED:
        recorded = profile.environment.get(name)
        if environment.get(name) != recorded:
            raise UsageError(
                f"{output} was recorded with {name} {recorded}; here it is "
                f"{environment.get(name)}. Record a new profile with another --output."
            )
    return profile


def _placed(row: Measurement, device: DeviceSpec, sweep: Sweep) -> Measurement:
    """Add the roof that the row is held against and the command that repeats it."""
    roof = None
    if row.datapath in device.flops_per_s:
        roof = Roof(
            name=f"spec {device.id}",
            flops_per_s=device.peak(row.datapath),
            bytes_per_s=device.hbm_bytes_per_s,
        )
    return replace(row, roof=roof, command=reproduce_command(row.point, sweep))


def _measure_repeats(
    worker: RestartingWorker, points: Sequence[Point]
) -> tuple[RepeatedPoint, ...]:
    """Time the first kernel's least and greatest point twice each: the noise floor."""
    first_op = [
        p for p in points if (p.kernel, p.op) == (points[0].kernel, points[0].op)
    ]
    ends = {
        min(first_op, key=lambda point: point.tokens),
        max(first_op, key=lambda point: point.tokens),
    }
    repeats: list[RepeatedPoint] = []
    for point in sorted(ends, key=lambda point: point.tokens):
        first, second = (worker.measure(point).measurement for _ in range(2))
        for cache in Cache:
            timings = first.timing(cache), second.timing(cache)
            if timings[0] is not None and timings[1] is not None:
                repeats.append(
                    RepeatedPoint(
                        label=point.label,
                        cache=cache,
                        first_us=timings[0].median_us,
                        second_us=timings[1].median_us,
                    )
                )
    return tuple(repeats)
