"""A timing run under a progress bar, with its findings printed as they come."""

from collections import Counter

from dsprof.harness.bench import Traced
from dsprof.harness.errors import UsageError
from dsprof.harness.profile import Profile
from dsprof.harness.records import Measurement
from dsprof.harness.run import Machine, RunRequest, points_done, run_sweep
from dsprof.harness.store import load_profile


def run_watched(
    request: RunRequest, *, quiet: bool, machine: Machine | None = None
) -> Profile:
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

        tracing = progress.add_task("tracing launches", total=None, visible=False)
        reasons: Counter[str] = Counter()

        def watch_trace(traced: Traced, left: int) -> None:
            progress.advance(tracing)
            total = progress.tasks[tracing].completed + left
            progress.update(tracing, total=total, visible=True)
            if traced.reason:
                reasons[traced.reason] += 1
                if reasons[traced.reason] == 1:  # often they all have the same
                    progress.console.print(
                        f"{traced.label}: no launches: {traced.reason}", markup=False
                    )

        try:
            profile = run_sweep(request, watch, machine, watch_trace=watch_trace)
        except KeyboardInterrupt:
            raise UsageError(
                f"Interrupted. What was measured is in {request.output}; "
                f"finish it with: dsprof time --resume --output {request.output}."
            ) from None
        if reasons.total() > 1:
            progress.console.print(f"{reasons.total()} points have no launches.")
        return profile
