"""dsprof import: make a profile of other people's files."""

import shlex
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dsprof.harness.errors import UsageError
from dsprof.harness.records import Cache

if TYPE_CHECKING:
    from dsprof.analysis.imported import ReadFile
    from dsprof.harness.device import DeviceSpec
    from dsprof.harness.timeline import Timeline

PIPE_WIDTH = 180
TOP = 20


@click.command(name="import")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder of the profile; a new or empty one.",
)
@click.option(
    "--device",
    metavar="GPU|TOML",
    help="The GPU that the files were made on.  [default: as the files say]",
)
@click.option(
    "--cache",
    type=click.Choice([str(cache) for cache in Cache]),
    help="What ncu did to the L2 before a launch: cold for its default, "
    "--cache-control all; warm for none.  [default: unknown]",
)
@click.option(
    "--range",
    "ranges",
    multiple=True,
    metavar="NAME",
    help="NVTX or record_function range of a timeline, as NAME or NAME@DOMAIN; may be "
    "given again.  [default: the whole recording]",
)
def command(
    files: tuple[Path, ...],
    output: Path,
    device: str | None,
    cache: str | None,
    ranges: tuple[str, ...],
) -> None:
    """Make a profile of other people's recordings.

    What a FILE is shows in its content: a .ncu-rep; text with a table that ncu
    printed with --csv, of its raw or its details page, in any locale and unit; an
    SQLite file that nsys exported; or a trace of torch.profiler. All files are of one
    GPU model. If any file cannot be read, nothing is written.

    \b
    dsprof import theirs.ncu-rep -o runs/theirs
    dsprof import a.csv b.ncu-rep -o runs/theirs --cache cold
    dsprof import details.csv -o runs/theirs --device a100-sxm
    dsprof import theirs.sqlite -o runs/theirs --range prefill --range decode
    """
    from dsprof.analysis.imported import (
        find_device,
        imported_profile,
        read_file,
        read_files,
    )
    from dsprof.harness.commands.apart import read_apart
    from dsprof.harness.device import device_spec
    from dsprof.harness.store import ProfileWriter
    from dsprof.harness.versions import source_version

    _check_output(output)
    wanted = None if device is None else device_spec(device)
    read_one = partial(read_apart, partial(read_file, ranges=ranges))
    read = read_files(files, read_one)
    _check_ranges(read, ranges)
    found = find_device(read, wanted)
    profile = imported_profile(
        read,
        found,
        cache=None if cache is None else Cache(cache),
        command=_command_line(files, output, device, cache, ranges),
        dsprof_version=source_version(),
    )
    writer = ProfileWriter.create(output, replace(profile, counters=(), timelines=()))
    if profile.counters:
        writer.add_counters(profile.counters)
    for timeline in profile.timelines:
        writer.add_timeline(timeline)
    _print(read, found, output)


def _check_output(path: Path) -> None:
    from dsprof.harness.store import refuse_existing

    try:
        refuse_existing(path)
    except UsageError:
        raise UsageError(
            f"{path} exists, and what is recorded there stays as it is. Choose another "
            "folder with -o."
        ) from None


def _check_ranges(read: "tuple[ReadFile, ...]", ranges: tuple[str, ...]) -> None:
    if ranges and not any(file.result.timeline for file in read):
        raise UsageError(
            "--range is for timelines, and none of the files is one. Leave it out."
        )


def _command_line(
    files: tuple[Path, ...],
    output: Path,
    device: str | None,
    cache: str | None,
    ranges: tuple[str, ...],
) -> str:
    """The command, without the folders that the files lay in."""
    words = ["dsprof", "import", *(path.name for path in files), "-o", output.name]
    words += ["--device", device] if device else []
    words += ["--cache", cache] if cache else []
    for name in ranges:
        words += ["--range", name]
    return shlex.join(words)


def _print(files: "tuple[ReadFile, ...]", device: "DeviceSpec", output: Path) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("File", "Format")
    table.add_column("Launches", justify="right")
    table.add_column("Kernels", justify="right")
    table.add_column("Notes", overflow="fold")
    for file in files:
        launches, kernels = file.kernels
        table.add_row(
            escape(file.path.name),
            file.result.format,
            str(launches),
            str(kernels),
            escape("; ".join(file.result.notes)),
        )
    console = Console()
    # A pipe has no width; rich would take 80 columns and fold every name.
    Console(width=console.width if console.is_terminal else PIPE_WIDTH).print(table)
    for file in files:
        if file.result.timeline is not None:
            _print_times(file.path.name, file.result.timeline)
    peaks = next(iter(device.sources.values()), "")
    if peaks.startswith("imported report"):
        click.echo(
            f"Peaks of {device.name} are computed from the report's own attributes; "
            "--device names better ones."
        )
    click.echo(f"Wrote {output}, of {device.name}.")
    click.echo(f"Its report: {shlex.join(['dsprof', 'report', str(output)])}")


def _print_times(name: str, timeline: "Timeline") -> None:
    """A line a range that was asked for, or one for the whole recording."""
    from dsprof.analysis.timeline_frame import coverage_pct, kernels_frame, reconcile

    for time in timeline.ranges[1:] or timeline.ranges:
        covered = coverage_pct(kernels_frame(timeline, time.name), TOP)
        click.echo(
            f"{name}, {time.name or 'whole recording'}: "
            f"{reconcile(timeline, time.name)}; top {TOP} kernels: {covered:.1f} % of "
            "kernel time."
        )
