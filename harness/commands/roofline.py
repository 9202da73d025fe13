"""dsprof roofline: a roofline as a picture and a page, of a profile, a CSV or a GPU."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dsprof.harness.commands.formula_pictures import Files, of_csv, of_device
from dsprof.harness.commands.profile_pictures import View, picture
from dsprof.harness.errors import UsageError

if TYPE_CHECKING:
    from dsprof.harness.records import Phase

DEFAULT_DEVICE = "b200"


@click.command(name="roofline")
@click.argument("profile", type=click.Path(path_type=Path), required=False)
@click.option(
    "--analytic", is_flag=True, help="Place every kernel by formula on --device."
)
@click.option(
    "--input",
    "csv_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="CSV",
    help="Rows with the 14 columns of all_kernels.csv, from anywhere.",
)
@click.option(
    "--device",
    metavar="GPU",
    help="Roofs for --analytic and --input: a GPU's id, or a TOML file that "
    f"describes one.  [default: {DEFAULT_DEVICE}]",
)
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
    "--kernel", metavar="NAME", help="One kernel of the profile, every op and size."
)
@click.option(
    "--hierarchy",
    is_flag=True,
    help="Place counted points at DRAM, L2 and L1 bytes, each in its own mark.",
)
@click.option(
    "--normalized",
    is_flag=True,
    help="Intensity over ridge, rate over the peak of the point's own datapath.",
)
@click.option(
    "--by-phase", is_flag=True, help="One PNG a phase: FILE-decode, FILE-prefill."
)
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def command(  # noqa: PLR0913, PLR0917 -- one argument an option
    profile: Path | None,
    analytic: bool,  # noqa: FBT001 -- click passes flags so
    csv_file: Path | None,
    device: str | None,
    output: Path,
    report: Path,
    kernel: str | None,
    hierarchy: bool,  # noqa: FBT001
    normalized: bool,  # noqa: FBT001
    by_phase: bool,  # noqa: FBT001
    force: bool,  # noqa: FBT001
) -> None:
    """Draw the roofline of PROFILE and tabulate where each kernel lies.

    Without PROFILE, of the H200 profile that comes with dsprof. With --analytic, of
    a GPU that nothing was run on; with --input, of a CSV file. Needs no GPU.

    Of a profile with counters, each point is drawn where its formula and where its
    counters place it. Roofs are rated; measured ones (dsprof ceilings) are dashed.

    \b
    dsprof roofline
    dsprof roofline profiles/h200-sxm/2026-11-20-first --by-phase
    dsprof roofline --kernel bmm_fp8
    dsprof roofline --normalized
    dsprof roofline --analytic --device b200
    dsprof roofline --input all_kernels.csv --output roofline.png --report roofline.md
    dsprof roofline --output h200.png --report h200.md --force
    """
    from dsprof.harness.device import device_spec
    from dsprof.harness.records import Phase

    _check_sources(profile, csv_file, device, analytic=analytic)
    view = _view(hierarchy=hierarchy, normalized=normalized)
    if (csv_file or analytic) and (kernel or view is not View.PHYSICAL):
        raise UsageError(
            "--kernel, --hierarchy and --normalized draw a profile. Leave them out, or "
            "name a profile in place of --input and --analytic."
        )
    phases: list[Phase | None] = list(Phase) if by_phase else [None]
    figures = {_figure_path(output, phase): phase for phase in phases}
    if report in figures:
        raise UsageError(f"--output and --report both name {report}. Change one.")
    for path in (*figures, report):
        if path.exists() and not force:
            raise UsageError(f"{path} exists. Overwrite it with --force.")
    files = Files(figures=figures, report=report, title=view.capitalize())
    if csv_file is not None:
        contents = of_csv(csv_file, device_spec(device or DEFAULT_DEVICE), files)
    elif analytic:
        contents = of_device(device_spec(device or DEFAULT_DEVICE), files)
    else:
        contents = _of_profile(profile, files, view, kernel)
    for path, content in contents.items():
        _write(path, content)
        click.echo(f"Wrote {path}")


def _check_sources(
    profile: Path | None, csv_file: Path | None, device: str | None, *, analytic: bool
) -> None:
    given = [profile is not None, csv_file is not None, analytic]
    if sum(given) > 1:
        raise UsageError(
            "PROFILE, --input and --analytic exclude each other. Give one."
        )
    if device is not None and csv_file is None and not analytic:
        raise UsageError(
            "A profile has its own device. Leave --device out, or add --analytic."
        )


def _figure_path(output: Path, phase: "Phase | None") -> Path:
    """The file of a phase's figure: FILE-decode.png beside FILE.png."""
    return output if phase is None else output.with_stem(f"{output.stem}-{phase}")


def _view(*, hierarchy: bool, normalized: bool) -> View:
    if hierarchy and normalized:
        raise UsageError("--hierarchy and --normalized exclude each other. Give one.")
    if hierarchy:
        return View.HIERARCHY
    return View.NORMALIZED if normalized else View.PHYSICAL


def _of_profile(
    profile: Path | None, files: Files, view: View, kernel: str | None
) -> dict[Path, bytes]:
    """Contents of every file, made before the first is written."""
    from dsprof.analysis.plots.style import to_png
    from dsprof.harness.store import find_bundled_profile

    path = find_bundled_profile() if profile is None else profile
    pictured = picture(path, view=view, kernel=kernel)
    contents = {
        path: to_png(pictured.figure(phase)) for path, phase in files.figures.items()
    }
    return contents | {files.report: pictured.page(files.links).encode()}


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise UsageError(
            f"Cannot write {path}: {error.strerror}. Choose another file."
        ) from error
