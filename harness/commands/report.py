"""dsprof report: the whole report of a profile, in Markdown and one HTML file."""

from pathlib import Path

import click

from dsprof.harness.errors import UsageError
from dsprof.kernels import deepseek as ds

# A second process takes a second to start; the figures of fewer points take no more.
POINTS_WORTH_A_PROCESS = 500


@click.command(name="report")
@click.argument("profile", type=click.Path(path_type=Path), required=False)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("dsprof-report"),
    show_default=True,
    metavar="DIR",
    help="Folder to make.",
)
@click.option("--force", is_flag=True, help="Replace an existing report.")
@click.option(
    "--each-kernel",
    is_flag=True,
    help="Also a roofline of each kernel of a recorded program.",
)
@click.option(
    "--tp",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Chips that share a layer's attention heads, for the links of npu.md.",
)
@click.option(
    "--ep",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Chips that share a layer's experts, for the links of npu.md.",
)
def command(  # noqa: PLR0913, PLR0917 -- click passes every option
    profile: Path | None,
    output: Path,
    force: bool,  # noqa: FBT001 -- click passes flags so
    each_kernel: bool,  # noqa: FBT001
    tp: int,
    ep: int,
) -> None:
    """Write the report of PROFILE: Markdown, figures and one HTML file.

    Without PROFILE, of the H200 profile that comes with dsprof. Needs no GPU.

    \b
    dsprof report
    dsprof report profiles/h200-sxm/2026-11-20-first --output h200-report
    dsprof report --force --tp 8 --ep 64
    """
    from dsprof.analysis.npu.link_bytes import Parallel
    from dsprof.analysis.report.folder import create_report
    from dsprof.harness.commands.corrections import corrections
    from dsprof.harness.commands.moe import reported_studies
    from dsprof.harness.store import find_bundled_profile, load_profile

    if ds.Nh % tp:
        raise UsageError(
            f"--tp {tp}: {ds.Nh} heads cannot be divided so. Give 1, 2, 4, 8 or "
            "another power of two."
        )
    path = find_bundled_profile() if profile is None else profile
    loaded = load_profile(path)
    written = create_report(
        loaded,
        output,
        replace=force,
        corrections=corrections(),
        moe=reported_studies(loaded),
        parallel=Parallel(tp=tp, ep=ep),
        apart=len(loaded.measurements) >= POINTS_WORTH_A_PROCESS,
        each_kernel=each_kernel,
    )
    click.echo(f"Report of {path}:")
    for file in written:
        click.echo(f"  {file}")
