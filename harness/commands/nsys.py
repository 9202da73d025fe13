"""dsprof nsys: record a whole program, name its longest kernels, and count them."""

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from dsprof.harness.commands.selection import new_folder
from dsprof.harness.errors import ExitCode, UsageError
from dsprof.harness.records import Cache
from dsprof.harness.timeline import WHOLE, TimelineTool

TOP = 20
TIMEOUT_S = 600.0
IDLE_S = 20.0
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
@click.option(
    "--idle",
    "idle_s",
    type=click.FloatRange(min=0),
    default=IDLE_S,
    show_default=True,
    help="Stop the program when ncu has found nothing new for so many seconds; 0 "
    "lets it come to its end.",
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
    from dsprof.harness.commands.profile_program import prepare, profile_program

    code = profile_program(*prepare(program, options))
    if code is not ExitCode.OK:
        ctx.exit(code)


def _check(program: Sequence[str]) -> None:
    if not program:
        raise UsageError(f"No program after --. Name one, as in: {EXAMPLE}.")
    if shutil.which(program[0]) is None:
        raise UsageError(
            f"There is no program '{program[0]}' to run. Name a file that can be "
            "executed, by its path or as it is found on PATH."
        )


def _print_commands(program: tuple[str, ...], options: dict[str, Any]) -> None:
    from dsprof.harness.availability import find_gpu
    from dsprof.harness.commands.profile_program import capture_request, job_of
    from dsprof.harness.ncu_selection import Selection

    job = job_of(program, options, options["output"] or new_folder(), "ncu")
    click.echo(job.recording.shown_command())
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
        request = capture_request(job, selection, here)
        click.echo(f"# KERNEL: the {options['top']} longest of the recording")
        click.echo(f"LC_ALL=C {shlex.join(request.command(selection))}")
