"""dsprof nsys: record a whole program, name its longest kernels, and count them."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsprof.harness.commands.selection import new_folder
from dsprof.harness.device import Datapath
from dsprof.harness.errors import EnvironmentLacksError, ExitCode, UsageError
from dsprof.harness.records import Cache, Status
from dsprof.harness.timeline import WHOLE, TimelineTool

if TYPE_CHECKING:
    from dsprof.harness.commands.recording import Recording
    from dsprof.harness.device import DeviceSpec
    from dsprof.harness.ncu_program import ProgramCapture, ProgramCounters
    from dsprof.harness.ncu_selection import Selection
    from dsprof.harness.store import ProfileWriter
    from dsprof.harness.timeline import Timeline

TOP = 20
TIMEOUT_S = 600.0
# What --dry-run assumes where there is no GPU to ask: the H200's.
ASSUMED_COMPUTE_CAPABILITY = (9, 0)
PROGRAM = "dsprof.program"  # where a context keeps the words after --
EXAMPLE = "dsprof nsys --range decode -- python3 app.py"


class ProgramCommand(click.Command):
    """A command whose words after ``--`` are somebody's command line, untouched."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the program's words away from the options' parser."""
        own, program = args, []
        if "--" in args:
            at = args.index("--")
            own, program = args[:at], args[at + 1 :]
        elif not {"-h", "--help"} & set(args):
            raise UsageError(f"Name the program to run after --, as in: {EXAMPLE}.")
        ctx.meta[PROGRAM] = tuple(program)
        return super().parse_args(ctx, own)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Show the program as well."""
        return [*super().collect_usage_pieces(ctx), "-- COMMAND..."]


def _ranges(_ctx: click.Context, _option: click.Parameter, text: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


@click.command(name="nsys", cls=ProgramCommand)
@click.option(
    "--range",
    "ranges",
    default="",
    callback=_ranges,
    metavar="NAME,...",
    help="NVTX ranges, as NAME or NAME@DOMAIN.  [default: the whole program]",
)
@click.option(
    "--every",
    is_flag=True,
    help="Count every occurrence of a single range, not just the first: records the "
    "whole program, as several ranges do anyway.",
)
@click.option("--top", type=click.IntRange(min=1), default=TOP, show_default=True)
@click.option(
    "--ncu", is_flag=True, help="Run again under ncu and count those kernels."
)
@click.option(
    "--timeline",
    "tool",
    type=click.Choice([str(tool) for tool in TimelineTool]),
    default=str(TimelineTool.NSYS),
    show_default=True,
    help="What records: nsys, or torch.profiler for a Python program.",
)
@click.option(
    "--cache",
    type=click.Choice([str(cache) for cache in Cache]),
    default=str(Cache.COLD),
    show_default=True,
    help="L2 before each replay of ncu: flushed, or as the replay before left it.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    default=TIMEOUT_S,
    show_default=True,
    help="Seconds that one run of the program may take.",
)
@click.option("--device", metavar="GPU|TOML", help="Peaks.  [default: this GPU's]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A profile to add to, or a new one.  [default: profiles/<date and time>]",
)
@click.option("--dry-run", is_flag=True, help="Print the commands; run nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401 -- click's options
    """Record a program's GPU timeline and say which kernels take its time.

    With one range, nsys records nothing but its first occurrence. With --ncu the same
    program runs once more for each range, and ncu counts its longest kernels, one
    launch of each launch configuration. Recordings stay in the profile's folders nsys/
    and ncu/.

    \b
    dsprof nsys --range decode --ncu -- python3 serve.py --tokens 64
    dsprof nsys --range prefill,decode --top 10 -- ./a.out
    dsprof nsys --range decode --timeline torch -- python3 -m my.module
    """
    program: tuple[str, ...] = ctx.meta[PROGRAM]
    _check(program)
    if options["dry_run"]:
        _print_commands(program, options)
        return
    recording, device, ncu = _prepare(program, options)
    code = profile_program(recording, device, ncu, options)
    if code is not ExitCode.OK:
        ctx.exit(code)


def profile_program(
    recording: "Recording", device: "DeviceSpec", ncu: str, options: dict[str, Any]
) -> ExitCode:
    """Record, store, count and print; each part is on disk before the next begins."""
    writer = _open_profile(recording.output, device, recording.program)
    found = recording.record()
    writer.add_timeline(found.timeline)
    results = (
        [
            _count(writer, recording, found.timeline, name, options, ncu)
            for name in _shown_ranges(found.timeline)
        ]
        if options["ncu"]
        else []
    )
    _print(writer, found.timeline, results, options)
    if found.problem:
        click.echo(f"dsprof: {found.problem}", err=True)
    missed = [gap for result in results for gap in result.gaps]
    if found.problem or any(gap.status is not Status.UNSUPPORTED for gap in missed):
        return ExitCode.FINDING
    return ExitCode.OK


def _check(program: Sequence[str]) -> None:
    if not program:
        raise UsageError(f"No program after --. Name one, as in: {EXAMPLE}.")
    if shutil.which(program[0]) is None:
        raise UsageError(
            f"There is no program '{program[0]}' to run. Name a file that can be "
            "executed, by its path or as it is found on PATH."
        )


def _prepare(
    program: tuple[str, ...], options: dict[str, Any]
) -> "tuple[Recording, DeviceSpec, str]":
    """Look for all that is needed before anything is run or written."""
    from dsprof.harness.commands.recording import Recording
    from dsprof.harness.device import device_spec
    from dsprof.harness.environment import import_nvml, read_gpu
    from dsprof.harness.ncu import find_ncu
    from dsprof.harness.run import known_device

    gpu = read_gpu(import_nvml())
    wanted = options["device"]
    device = (
        device_spec(wanted)
        if wanted
        else known_device(gpu.name, gpu.compute_capability)
    )
    recording = Recording.of(program, options, options["output"] or new_folder())
    recording.require_tool()
    return recording, device, find_ncu() if options["ncu"] else ""


def _open_profile(
    output: Path, device: "DeviceSpec", program: Sequence[str]
) -> "ProfileWriter":
    """The profile to add to: the one that is there, or an empty one."""
    from dataclasses import replace

    from dsprof.analysis.imported import NO_SWEEP
    from dsprof.harness.environment import collect_environment
    from dsprof.harness.profile import Profile
    from dsprof.harness.run import load_recorded
    from dsprof.harness.store import HEADER_FILE, ProfileWriter

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


def _shown_ranges(timeline: "Timeline") -> list[str]:
    return [time.name for time in timeline.ranges if time.name] or [WHOLE]


def _capture_request(  # noqa: PLR0913, PLR0917 -- the command's own parts
    program: Sequence[str],
    selection: "Selection",
    options: dict[str, Any],
    compute_capability: tuple[int, int],
    folder: Path,
    ncu: str,
) -> "ProgramCapture":
    from dsprof.harness.counters import metrics_to_ask
    from dsprof.harness.ncu_program import ProgramCapture

    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    return ProgramCapture(
        program=program,
        selection=selection,
        # Which units a stranger's kernels use is not known: ask for all of them.
        metrics=metrics_to_ask(tuple(Datapath), compute_capability),
        cache=Cache(options["cache"]),
        folder=folder / "ncu",
        name=f"{stamp}-program-{options['cache']}",
        limit_s=options["timeout_s"],
        ncu=ncu,
        by_function=options["tool"] == TimelineTool.TORCH,
    )


def _count(  # noqa: PLR0913, PLR0917 -- the command's own parts
    writer: "ProfileWriter",
    recording: "Recording",
    timeline: "Timeline",
    range_name: str,
    options: dict[str, Any],
    ncu: str,
) -> "ProgramCounters":
    """Profile a range's kernels and write what came of it at once."""
    from dsprof.harness.commands.recording import count_recorded
    from dsprof.harness.ncu_selection import select_kernels

    selection = select_kernels(timeline, range_name, options["top"])
    device = writer.profile.device
    request = _capture_request(
        recording.program,
        selection,
        options,
        device.compute_capability,
        recording.output,
        ncu,
    )
    recording.say(f"ncu: the same program for {len(selection.wanted)} kernels")
    result = count_recorded(request, writer)
    for warning in result.warnings:
        click.echo(f"dsprof: warning: {warning}", err=True)
    if result.error is not None:
        raise EnvironmentLacksError(
            f"{result.error.reason} The timeline is kept in {writer.path}."
        )
    return result


def _print_commands(program: tuple[str, ...], options: dict[str, Any]) -> None:
    from dsprof.harness.availability import find_gpu
    from dsprof.harness.commands.recording import Recording
    from dsprof.harness.ncu_selection import Selection

    output = options["output"] or new_folder()
    click.echo(Recording.of(program, options, output).shown_command())
    if not options["ncu"]:
        return
    gpu = find_gpu()
    here = gpu.compute_capability if gpu else ASSUMED_COMPUTE_CAPABILITY
    for name in options["ranges"] or [WHOLE]:
        selection = Selection(
            range=name,
            domains=(),
            wanted=("KERNEL",),
            excluded={},
            others=(),
            configurations={},
        )
        request = _capture_request(program, selection, options, here, output, "ncu")
        click.echo(f"# KERNEL: the {options['top']} longest of the recording")
        click.echo(f"LC_ALL=C {shlex.join(request.command(selection))}")


def _print(
    writer: "ProfileWriter",
    timeline: "Timeline",
    results: "Sequence[ProgramCounters]",
    options: dict[str, Any],
) -> None:
    from dsprof.harness.commands.timeline_output import (
        print_timeline,
        timeline_json,
    )

    if options["as_json"]:
        click.echo(timeline_json(timeline, results, options["top"], writer.path))
        return
    print_timeline(timeline, results, options["top"])
    path = shlex.quote(str(writer.path))
    click.echo(f"Wrote {writer.path}. Its report: dsprof report {path}")
