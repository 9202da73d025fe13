"""dsprof ceilings: measure what this GPU reaches, and for how long."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dsprof.harness.ceiling import Ceiling, Pattern
from dsprof.harness.commands.options import members_of
from dsprof.harness.device import DeviceSpec, match_device
from dsprof.harness.errors import (
    DsprofError,
    EnvironmentLacksError,
    ExitCode,
    UsageError,
)
from dsprof.harness.plain import to_plain
from dsprof.harness.profile import Profile
from dsprof.harness.store import ProfileWriter, load_profile

if TYPE_CHECKING:
    from dsprof.analysis.report.markdown import Table
    from dsprof.harness.ceiling_gpu import CeilingGpu

Measure = Callable[[Pattern], tuple[Ceiling, ...]]


@click.command(name="ceilings")
@click.option(
    "--patterns",
    type=members_of(Pattern),
    metavar="A,B,...",
    default=tuple(Pattern),
    show_default="all",
    help=f"Only these of {', '.join(Pattern)}.",
)
@click.option("--quick", is_flag=True, help="Burst only: 2 instead of 7 s a pattern.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A profile of this GPU to store them in.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.pass_context
def command(
    ctx: click.Context,
    patterns: tuple[Pattern, ...],
    quick: bool,  # noqa: FBT001 -- click passes flags so
    output: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Measure this GPU's roofs, in a burst after a rest and for long.

    Each load's result is checked before it is timed. The burst is the median of the
    first 50 ms after 2 s of rest; the sustained rate that of the last of 5 s without
    a pause. All patterns take about a minute; each is stored as it is measured.

    \b
    dsprof ceilings
    dsprof ceilings --quick --patterns hbm_read,bf16_dense
    dsprof ceilings -o profiles/h200
    """
    recorded = None if output is None else load_profile(output)
    from dsprof.harness.ceiling_gpu import open_gpu
    from dsprof.harness.ceilings import measure

    gpu = open_gpu()
    writer = None
    if output is not None and recorded is not None:
        require_same_gpu(output, recorded, gpu.name, gpu.compute_capability)
        writer = ProfileWriter.resume(output, recorded)
    found, missing = measure_each(
        patterns, lambda pattern: measure(pattern, gpu.rig, quick=quick), writer
    )
    if as_json:
        click.echo(json.dumps(result(gpu.name, found, missing), indent=1))
    else:
        _print(gpu, found, missing, output)
    ctx.exit(exit_code(found, missing))


def require_same_gpu(
    path: Path, profile: Profile, name: str, compute_capability: tuple[int, int]
) -> None:
    """Raise UsageError unless the profile was recorded on a GPU of this name.

    Where it does not say on which, as an imported one, its peaks must be this GPU's.
    """
    recorded = profile.environment.get("gpu")
    spec = match_device(name, compute_capability)
    if recorded is None and spec is not None and spec.id == profile.device.id:
        return
    if recorded != name:
        raise UsageError(
            f"{path} was recorded on {recorded or profile.device.name}; this is "
            f"{name}. Measure that profile's roofs there."
        )


def measure_each(
    patterns: Sequence[Pattern], measure: Measure, writer: ProfileWriter | None
) -> tuple[tuple[Ceiling, ...], dict[Pattern, DsprofError]]:
    """Measure in turn and store each at once; the second value is what went wrong."""
    found: tuple[Ceiling, ...] = ()
    missing: dict[Pattern, DsprofError] = {}
    for pattern in patterns:
        click.echo(f"measuring {pattern}", err=True)
        try:
            fresh = measure(pattern)
        except DsprofError as error:
            missing[pattern] = error
            continue
        found += fresh
        if writer is not None:
            writer.update_header(ceilings=merged(writer.profile.ceilings, fresh))
    return found, missing


def merged(before: Sequence[Ceiling], fresh: Sequence[Ceiling]) -> tuple[Ceiling, ...]:
    """Replace those of the same pattern and duration, and keep the others."""
    new = {(ceiling.pattern, ceiling.duration) for ceiling in fresh}
    kept = [one for one in before if (one.pattern, one.duration) not in new]
    return (*kept, *fresh)


def exit_code(
    found: Sequence[Ceiling], missing: Mapping[Pattern, DsprofError]
) -> ExitCode:
    """A finding if a load failed; what the GPU lacks is none, unless it lacks all."""
    if any(not isinstance(error, EnvironmentLacksError) for error in missing.values()):
        return ExitCode.FINDING
    return ExitCode.OK if found else ExitCode.ENVIRONMENT


def result(
    gpu: str, found: Sequence[Ceiling], missing: Mapping[Pattern, DsprofError]
) -> dict[str, object]:
    """What --json prints."""
    return {
        "gpu": gpu,
        "ceilings": [to_plain(ceiling) for ceiling in found],
        "missing": {pattern: str(error) for pattern, error in missing.items()},
    }


def _print(
    gpu: "CeilingGpu",
    found: Sequence[Ceiling],
    missing: Mapping[Pattern, DsprofError],
    output: Path | None,
) -> None:
    from dsprof.analysis.report.roofline_ceilings import ceiling_table

    device: DeviceSpec | None = match_device(gpu.name, gpu.compute_capability)
    if found:
        click.echo("\n".join(aligned(ceiling_table(found, device))))
    if found and device is None:
        click.echo(f"dsprof knows no peaks of '{gpu.name}', so there is no % of spec.")
    for pattern, error in missing.items():
        click.echo(f"{pattern}: {error}")
    if output is not None and found:
        click.echo(f"Stored in {output}. Its report: dsprof report {output}")


def aligned(table: "Table") -> list[str]:
    """Lines of a table whose columns are as wide as their longest cell."""
    headings = [heading.removeprefix(">") for heading in table.headings]
    rows = [
        [cell if isinstance(cell, str) else cell.text for cell in row]
        for row in table.rows
    ]
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    right = [heading.startswith(">") for heading in table.headings]
    return [
        "  ".join(
            f"{cell:>{width}}" if to_right else f"{cell:<{width}}"
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in (headings, *rows)
    ]
