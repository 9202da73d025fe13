"""One capture under a progress bar; launches are on disk as soon as ncu gives them."""

from datetime import UTC, datetime
from functools import partial

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from dsprof.analysis.capture_report import read_capture
from dsprof.harness.capture import CaptureRequest, CaptureResult, Watch, capture
from dsprof.harness.captures import Capture
from dsprof.harness.commands.apart import read_apart
from dsprof.harness.errors import EnvironmentLacksError
from dsprof.harness.store import ProfileWriter
from dsprof.harness.versions import UNKNOWN, tool_version


def capture_watched(request: CaptureRequest, writer: ProfileWriter) -> None:
    """Capture and record what came of it, also where ncu cannot count at all.

    That then raises EnvironmentLacksError with the fix.
    """
    started = datetime.now(UTC)
    result = _capture(request, writer)
    for warning in result.warnings:
        click.echo(f"dsprof: warning: {warning}", err=True)
    record = Capture(
        cache=request.options.cache,
        command=result.command,
        ncu_version=tool_version("ncu") or UNKNOWN,
        started=started.isoformat(timespec="seconds"),
        wall_s=round((datetime.now(UTC) - started).total_seconds(), 1),
        points=len({row.label for row in result.counters}),
        launches=len(result.counters),
        max_passes=result.max_passes,
        gaps=tuple(result.gaps),
    )
    writer.update_header(captures=(*writer.profile.captures, record))
    if result.error is not None:
        raise EnvironmentLacksError(
            f"{result.error.reason} What was timed is kept in {writer.path}; its "
            "report is analytic only."
        )


def _capture(request: CaptureRequest, writer: ProfileWriter) -> CaptureResult:
    cache = request.options.cache
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with progress:
        task = progress.add_task(f"{cache}: starting ncu", total=len(request.points))

        def begin(label: str) -> None:
            kernel = label.partition("/")[0]
            progress.update(task, advance=1, description=f"{cache}: {kernel}")

        watch = Watch(point=begin, counters=writer.add_counters)
        read = partial(read_apart, partial(read_capture, cache=cache))
        return capture(request, read, watch)
