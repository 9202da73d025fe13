"""Profiles somebody's program: its timeline, its kernels' counters, in one profile."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from dsprof.analysis.imported import NO_SWEEP
from dsprof.harness.commands.recording import Recording, count_recorded
from dsprof.harness.commands.selection import new_folder
from dsprof.harness.commands.timeline_output import print_timeline, timeline_json
from dsprof.harness.counters import metrics_to_ask
from dsprof.harness.device import Datapath, DeviceSpec, device_spec
from dsprof.harness.environment import collect_environment, import_nvml, read_gpu
from dsprof.harness.errors import EnvironmentLacksError, ExitCode
from dsprof.harness.ncu import find_ncu
from dsprof.harness.ncu_program import ProgramCapture, ProgramCounters
from dsprof.harness.ncu_selection import Selection, select_kernels
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Status
from dsprof.harness.run import known_device, load_recorded
from dsprof.harness.store import HEADER_FILE, ProfileWriter
from dsprof.harness.timeline import WHOLE, Timeline, TimelineTool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramJob:
    """What to record, and with which ncu, if with one."""

    recording: Recording
    ncu: str  # "" where nothing is to be counted
    cache: Cache
    top: int
    limit_s: float
    idle_s: float
    as_json: bool


def job_of(
    program: tuple[str, ...], options: dict[str, Any], output: Path, ncu: str
) -> ProgramJob:
    """As the command's options say."""
    return ProgramJob(
        recording=Recording.of(program, options, output),
        ncu=ncu,
        cache=Cache(options["cache"]),
        top=options["top"],
        limit_s=options["timeout_s"],
        idle_s=options["idle_s"],
        as_json=options["as_json"],
    )


def prepare(
    program: tuple[str, ...], options: dict[str, Any]
) -> tuple[ProgramJob, DeviceSpec]:
    """Look for all that is needed before anything is run or written."""
    gpu = read_gpu(import_nvml())
    wanted = options["device"]
    device = (
        device_spec(wanted)
        if wanted
        else known_device(gpu.name, gpu.compute_capability)
    )
    output = options["output"] or new_folder()
    job = job_of(program, options, output, find_ncu() if options["ncu"] else "")
    job.recording.require_tool()
    return job, device


def profile_program(job: ProgramJob, device: DeviceSpec) -> ExitCode:
    """Record, store, count and print; each part is on disk before the next begins."""
    recording = job.recording
    writer = _open_profile(recording.output, device, recording.program)
    found = recording.record()
    writer.add_timeline(found.timeline)
    shown = _shown_ranges(found.timeline) if job.ncu else []
    results = [_count(writer, job, found.timeline, name) for name in shown]
    _print(writer, found.timeline, results, job)
    if found.problem:
        click.echo(f"dsprof: {found.problem}", err=True)
    missed = [gap for result in results for gap in result.gaps]
    if found.problem or any(gap.status is not Status.UNSUPPORTED for gap in missed):
        return ExitCode.FINDING
    return ExitCode.OK


def _open_profile(
    output: Path, device: DeviceSpec, program: Sequence[str]
) -> ProfileWriter:
    """The profile to add to: the one that is there, or an empty one."""
    environment = collect_environment()
    line = _command_line(program)
    if (output / HEADER_FILE).exists():
        recorded = load_recorded(output, device, environment)
        commands = (*recorded.commands, line)
        return ProfileWriter.resume(output, replace(recorded, commands=commands))
    profile = Profile(
        device=device,
        environment=environment,
        commands=(line,),
        sweep=NO_SWEEP,
        catalogue=(),
        slots=(),
        repeats=(),
        overheads_us={},
        summary=None,
        measurements=(),
    )
    return ProfileWriter.create(output, profile)


def _command_line(program: Sequence[str]) -> str:
    """The line that was typed, without the folder of the program's own file."""
    words = sys.argv[1:]
    if "--" in words:
        words = [*words[: words.index("--") + 1], *shown_program(program)]
    return shlex.join(["dsprof", *words])


def shown_program(program: Sequence[str]) -> list[str]:
    """A program's words, the first without its folder."""
    return [Path(program[0]).name, *program[1:]]


def _shown_ranges(timeline: Timeline) -> list[str]:
    return [time.name for time in timeline.ranges if time.name] or [WHOLE]


def capture_request(
    job: ProgramJob, selection: Selection, compute_capability: tuple[int, int]
) -> ProgramCapture:
    """What ncu is asked for a selection."""
    recording = job.recording
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    return ProgramCapture(
        program=recording.program,
        selection=selection,
        # Which units a stranger's kernels use is not known: ask for all of them.
        metrics=metrics_to_ask(tuple(Datapath), compute_capability),
        cache=job.cache,
        folder=recording.output / "ncu",
        name=f"{stamp}-program-{job.cache}",
        limit_s=job.limit_s,
        idle_s=job.idle_s,
        ncu=job.ncu,
        by_function=recording.tool is TimelineTool.TORCH,
    )


def _count(
    writer: ProfileWriter, job: ProgramJob, timeline: Timeline, range_name: str
) -> ProgramCounters:
    """Profile a range's kernels and write what came of it at once."""
    selection = select_kernels(timeline, range_name, job.top)
    request = capture_request(job, selection, writer.profile.device.compute_capability)
    kernels = f"{len(selection.wanted)} kernels"
    job.recording.say(f"ncu: the same program for {kernels}")
    result = count_recorded(request, writer)
    for warning in result.warnings:
        click.echo(f"dsprof: warning: {warning}", err=True)
    if result.error is not None:
        raise EnvironmentLacksError(
            f"{result.error.reason} The timeline is kept in {writer.path}."
        )
    return result


def _print(
    writer: ProfileWriter,
    timeline: Timeline,
    results: Sequence[ProgramCounters],
    job: ProgramJob,
) -> None:
    if job.as_json:
        click.echo(timeline_json(timeline, results, job.top, writer.path))
        return
    print_timeline(timeline, results, job.top)
    path = shlex.quote(str(writer.path))
    click.echo(f"Wrote {writer.path}. Its report: dsprof report {path}")
