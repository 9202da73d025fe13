"""dsprof roofline: the roofline of a profile, as a picture and a Markdown report."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

if TYPE_CHECKING:
    from dsprof.harness.records import Phase, Profile


@click.command(name="roofline")
@click.argument("profile", type=click.Path(path_type=Path), required=False)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("roofline.png"),
    show_default=True,
    metavar="FILE",
    help="PNG file to draw.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("roofline.md"),
    show_default=True,
    metavar="FILE",
    help="Markdown file to write.",
)
@click.option(
    "--by-phase", is_flag=True, help="One PNG a phase: FILE-decode, FILE-prefill."
)
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def command(
    profile: Path | None,
    output: Path,
    report: Path,
    by_phase: bool,  # noqa: FBT001 -- click passes flags so
    force: bool,  # noqa: FBT001
) -> None:
    """Draw the roofline of PROFILE and tabulate where each kernel lies.

    Without PROFILE, of the H200 profile that comes with dsprof. Needs no GPU.

    \b
    dsprof roofline
    dsprof roofline profiles/h200-sxm/2026-11-20-first --by-phase
    dsprof roofline --output h200.png --report h200.md --force
    """
    from dsprof.harness.errors import UsageError
    from dsprof.harness.records import Phase
    from dsprof.harness.store import find_bundled_profile, load_profile

    phases: list[Phase | None] = list(Phase) if by_phase else [None]
    figures = {_figure_path(output, phase): phase for phase in phases}
    if report in figures:
        raise UsageError(f"--output and --report both name {report}. Change one.")
    for path in (*figures, report):
        if path.exists() and not force:
            raise UsageError(f"{path} exists. Overwrite it with --force.")
    source = find_bundled_profile() if profile is None else profile
    for path, content in _render(load_profile(source), figures, report).items():
        _write(path, content)
        click.echo(f"Wrote {path}")


def _figure_path(output: Path, phase: "Phase | None") -> Path:
    """The file of a phase's figure: FILE-decode.png beside FILE.png."""
    return output if phase is None else output.with_stem(f"{output.stem}-{phase}")


def _render(
    profile: "Profile", figures: "Mapping[Path, Phase | None]", report: Path
) -> dict[Path, bytes]:
    """Contents of every file, made before the first is written."""
    from dsprof.analysis.frames import measurements_frame
    from dsprof.analysis.plots.roofline import roofline_figure
    from dsprof.analysis.plots.style import to_png
    from dsprof.analysis.report.roofline import FigureLink, render_roofline

    frame = measurements_frame(profile)
    contents = {
        path: to_png(roofline_figure(frame, profile.device, phase=phase))
        for path, phase in figures.items()
    }
    links = [
        FigureLink(
            path=quote(Path(os.path.relpath(path, report.parent)).as_posix()),
            title="Roofline" if phase is None else f"Roofline, {phase}",
        )
        for path, phase in figures.items()
    ]
    contents[report] = render_roofline(profile, links).encode()
    return contents


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    from dsprof.harness.errors import UsageError

    temporary = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise UsageError(
            f"Cannot write {path}: {error.strerror}. Choose another file."
        ) from error
