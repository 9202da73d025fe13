"""dsprof roofline: a roofline as a picture and a page, of a profile, a CSV or a GPU."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from dsprof.harness.errors import UsageError

if TYPE_CHECKING:
    from dsprof.analysis.plots.points import PlotPoint
    from dsprof.analysis.report.roofline import FigureLink
    from dsprof.harness.device import DeviceSpec
    from dsprof.harness.records import Phase

DEFAULT_DEVICE = "b200"
Figures = Mapping[Path, "Phase | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where pictures and page go."""

    figures: Figures
    report: Path

    @property
    def links(self) -> "list[FigureLink]":
        """The pictures as the page names them: relative to it."""
        from dsprof.analysis.report.roofline import FigureLink

        return [
            FigureLink(
                path=quote(Path(os.path.relpath(path, self.report.parent)).as_posix()),
                title="Roofline" if phase is None else f"Roofline, {phase}",
            )
            for path, phase in self.figures.items()
        ]


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
    by_phase: bool,  # noqa: FBT001
    force: bool,  # noqa: FBT001
) -> None:
    """Draw the roofline of PROFILE and tabulate where each kernel lies.

    Without PROFILE, of the H200 profile that comes with dsprof. With --analytic, of
    a GPU that nothing was run on; with --input, of a CSV file. Needs no GPU.

    \b
    dsprof roofline
    dsprof roofline profiles/h200-sxm/2026-11-20-first --by-phase
    dsprof roofline --analytic --device b200
    dsprof roofline --input all_kernels.csv --output roofline.png --report roofline.md
    dsprof roofline --output h200.png --report h200.md --force
    """
    from dsprof.harness.device import device_spec
    from dsprof.harness.records import Phase

    _check_sources(profile, csv_file, device, analytic=analytic)
    phases: list[Phase | None] = list(Phase) if by_phase else [None]
    figures = {_figure_path(output, phase): phase for phase in phases}
    if report in figures:
        raise UsageError(f"--output and --report both name {report}. Change one.")
    for path in (*figures, report):
        if path.exists() and not force:
            raise UsageError(f"{path} exists. Overwrite it with --force.")
    files = Files(figures=figures, report=report)
    if csv_file is not None:
        contents = _of_csv(csv_file, device_spec(device or DEFAULT_DEVICE), files)
    elif analytic:
        contents = _of_device(device_spec(device or DEFAULT_DEVICE), files)
    else:
        contents = _of_profile(profile, files)
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


def _of_profile(profile: Path | None, files: Files) -> dict[Path, bytes]:
    """Contents of every file, made before the first is written."""
    from dsprof.analysis.frames import measurements_frame
    from dsprof.analysis.plots.roofline import roofline_figure
    from dsprof.analysis.plots.style import to_png
    from dsprof.analysis.report.roofline import render_roofline
    from dsprof.harness.store import find_bundled_profile, load_profile

    loaded = load_profile(find_bundled_profile() if profile is None else profile)
    frame = measurements_frame(loaded)
    contents = {
        path: to_png(roofline_figure(frame, loaded.device, phase=phase))
        for path, phase in files.figures.items()
    }
    contents[files.report] = render_roofline(loaded, files.links).encode()
    return contents


def _of_device(device: "DeviceSpec", files: Files) -> dict[Path, bytes]:
    """Picture and page of a GPU by formula alone."""
    from dsprof.analysis.analytic import attainable, refusal
    from dsprof.analysis.plots.points import PlotPoint
    from dsprof.analysis.report.analytic import render_analytic
    from dsprof.analysis.sizes import REPORTED_SIZES
    from dsprof.harness.commands.analytic import analytic_profile

    profile = analytic_profile(device)
    points = [
        (
            row.point.phase,
            PlotPoint(
                kernel=row.point.kernel,
                category=row.category,
                size=size.title,
                intensity=row.arithmetic_intensity,
                flops_per_s=attainable(row),
            ),
        )
        for size in REPORTED_SIZES
        for row in size.select(profile.rows)
        if not refusal(row, device)
    ]
    title = f"Attainable rate of each kernel, {device.name}"
    contents = _draw(points, device, files, title, "Attainable rate (TFLOP/s)")
    words = ["dsprof", "roofline", "--analytic", "--device", device.id]
    page = render_analytic(profile, files.links, _command(words, files))
    return contents | {files.report: page.encode()}


def _of_csv(path: Path, device: "DeviceSpec", files: Files) -> dict[Path, bytes]:
    """Picture and page of a file of benchmark rows."""
    from dsprof.analysis.plots.points import PlotPoint
    from dsprof.analysis.report.seed_csv import render_seed_csv
    from dsprof.analysis.seed_csv import read_seed_csv
    from dsprof.analysis.seed_flags import flag_rows
    from dsprof.harness.commands.analytic import known_ops

    rows = read_seed_csv(path)
    known = known_ops({(row.kernel, row.op) for row in rows}, device)
    points = [
        (
            row.phase,
            PlotPoint(
                kernel=row.kernel,
                category=known[op].category if op in known else "other",
                size=str(row.phase),
                intensity=row.intensity or 0.0,
                flops_per_s=row.flops_per_s,
            ),
        )
        for row in rows
        for op in [(row.kernel, row.op)]
    ]
    title = f"Roofline, {path.name} on {device.name}"
    contents = _draw(points, device, files, title, "Achieved rate (TFLOP/s)")
    words = ["dsprof", "roofline", "--input", path.name, "--device", device.id]
    page = render_seed_csv(
        rows,
        flag_rows(rows, device, {op: row.datapath for op, row in known.items()}),
        device=device,
        source=path.name,
        figures=files.links,
        command=_command(words, files),
    )
    return contents | {files.report: page.encode()}


def _draw(
    points: "Sequence[tuple[Phase, PlotPoint]]",
    device: "DeviceSpec",
    files: Files,
    title: str,
    y_label: str,
) -> dict[Path, bytes]:
    from dsprof.analysis.plots.points import points_figure
    from dsprof.analysis.plots.style import to_png

    return {
        path: to_png(
            points_figure(
                [point for of_phase, point in points if phase in {None, of_phase}],
                device,
                title=title if phase is None else f"{title}, {phase}",
                y_label=y_label,
            )
        )
        for path, phase in files.figures.items()
    }


def _command(words: Sequence[str], files: Files) -> str:
    """The command line that makes the files again, run where the page lies."""
    figure = next(iter(files.figures)).name
    if None not in files.figures.values():
        figure = figure.replace("-decode", "")
    by_phase = [] if None in files.figures.values() else ["--by-phase"]
    report = files.report.name
    return shlex.join([*words, "--output", figure, "--report", report, *by_phase])


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
