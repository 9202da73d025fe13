"""What dsprof roofline draws without a profile: a GPU by formula, or a CSV file."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from dsprof.analysis.plots.points import PlotPoint
    from dsprof.analysis.report.roofline import FigureLink
    from dsprof.harness.device import DeviceSpec
    from dsprof.harness.records import Phase

Figures = Mapping[Path, "Phase | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where pictures and page go."""

    figures: Figures
    report: Path
    title: str = "Roofline"

    @property
    def links(self) -> "list[FigureLink]":
        """The pictures as the page names them: relative to it."""
        from dsprof.analysis.report.roofline import FigureLink

        return [
            FigureLink(
                path=quote(Path(os.path.relpath(path, self.report.parent)).as_posix()),
                title=self.title if phase is None else f"{self.title}, {phase}",
            )
            for path, phase in self.figures.items()
        ]


def of_device(device: "DeviceSpec", files: Files) -> dict[Path, bytes]:
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


def of_csv(path: Path, device: "DeviceSpec", files: Files) -> dict[Path, bytes]:
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
