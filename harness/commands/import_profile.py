"""dsprof import: make a profile of other people's ncu files."""

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

PIPE_WIDTH = 180


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
def command(
    files: tuple[Path, ...], output: Path, device: str | None, cache: str | None
) -> None:
    """Make a profile of Nsight Compute reports and of ncu's CSV output.

    What a FILE is shows in its content: a .ncu-rep, or text with a table that ncu
    printed with --csv, of its raw or its details page, in any locale and unit. All
    files are of one GPU model. If any file cannot be read, nothing is written.

    \b
    dsprof import theirs.ncu-rep -o runs/theirs
    dsprof import a.csv b.ncu-rep -o runs/theirs --cache cold
    dsprof import details.csv -o runs/theirs --device a100-sxm
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
    read = read_files(files, partial(read_apart, read_file))
    found = find_device(read, wanted)
    profile = imported_profile(
        read,
        found,
        cache=None if cache is None else Cache(cache),
        command=_command_line(files, output, device, cache),
        dsprof_version=source_version(),
    )
    writer = ProfileWriter.create(output, replace(profile, counters=()))
    writer.add_counters(profile.counters)
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


def _command_line(
    files: tuple[Path, ...], output: Path, device: str | None, cache: str | None
) -> str:
    """The command, without the folders that the files lay in."""
    words = ["dsprof", "import", *(path.name for path in files), "-o", output.name]
    words += ["--device", device] if device else []
    words += ["--cache", cache] if cache else []
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
        kernels = {launch.kernel_name for launch in file.result.launches}
        table.add_row(
            escape(file.path.name),
            file.result.format,
            str(len(file.result.launches)),
            str(len(kernels)),
            escape("; ".join(file.result.notes)),
        )
    console = Console()
    # A pipe has no width; rich would take 80 columns and fold every name.
    Console(width=console.width if console.is_terminal else PIPE_WIDTH).print(table)
    peaks = next(iter(device.sources.values()), "")
    if peaks.startswith("imported report"):
        click.echo(
            f"Peaks of {device.name} are computed from the report's own attributes; "
            "--device names better ones."
        )
    click.echo(f"Wrote {output}, of {device.name}.")
    click.echo(f"Its report: {shlex.join(['dsprof', 'report', str(output)])}")
