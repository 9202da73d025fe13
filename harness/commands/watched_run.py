"""A timing run under a progress bar, with its findings printed as they come."""

from dsprof.harness.errors import UsageError
from dsprof.harness.profile import Profile
from dsprof.harness.records import Measurement
from dsprof.harness.run import RunRequest, points_done, run_sweep
from dsprof.harness.store import load_profile


def run_watched(request: RunRequest, *, quiet: bool) -> Profile:
    """Run the request under a progress bar on standard error."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    planned = set(request.planned)
    total = len(planned)
    done = 0
    if request.resume:
        done = len(planned & points_done(load_profile(request.output)))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, quiet=quiet)
    progress = Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    )
    with progress:
        task = progress.add_task("starting the GPU worker", total=total, completed=done)

        def watch(row: Measurement) -> None:
            progress.update(task, advance=1, description=row.point.kernel)
            if row.status.is_finding:
                progress.console.print(
                    f"{row.point.label}: {row.status}: {row.reason}", markup=False
                )

        try:
            return run_sweep(request, watch)
        except KeyboardInterrupt:
            raise UsageError(
                f"Interrupted. What was measured is in {request.output}; "
                f"finish it with: dsprof time --resume --output {request.output}."
            ) from None
