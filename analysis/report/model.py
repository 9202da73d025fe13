"""model.md: where a whole program's GPU time goes, why, and what could be gained."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dsprof.analysis.classify import DEFAULT_THRESHOLDS, Thresholds
from dsprof.analysis.counter_columns import HISTOGRAMS
from dsprof.analysis.counter_findings import histogram_finding
from dsprof.analysis.findings import Finding
from dsprof.analysis.model_advice import recommendations
from dsprof.analysis.model_conclusions import bottlenecks, conclusions
from dsprof.analysis.model_counter_findings import (
    class_findings,
    duration_findings,
    roof_findings,
    utilisation_findings,
)
from dsprof.analysis.model_findings import coverage_line, time_findings
from dsprof.analysis.model_kernels import ModelKernels, model_kernels
from dsprof.analysis.plots.families import families_figure
from dsprof.analysis.plots.headroom import headroom_figure
from dsprof.analysis.plots.histograms import histogram_figure
from dsprof.analysis.plots.model_roofline import (
    normalized_model_figure,
    one_kernel_figure,
    physical_figure,
)
from dsprof.analysis.report import model_setup, model_tables
from dsprof.analysis.report.counters import HistogramPart
from dsprof.analysis.report.hardware import hardware_table
from dsprof.analysis.report.markdown import Table
from dsprof.analysis.report.metric_table import metric_table
from dsprof.analysis.report.roofline import FigureLink
from dsprof.analysis.report.template import render
from dsprof.analysis.roofs import RoofKind
from dsprof.analysis.timeline_frame import reconcile
from dsprof.harness.profile import Profile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = "figures"
KERNEL_FIGURES = "figures/kernels"
SUMMED_UP = 3  # conclusions that open the page
_STEM = r"model(-\d+)?"
_FILE = re.compile(
    rf"{_STEM}\.md|{FIGURES}/{_STEM}-[a-z]+\.png"
    rf"|{KERNEL_FIGURES}(/{_STEM}-\d+\.png)?"
)
Draw = Callable[[], "Figure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPage:
    """One range of one recording: its document's name, text and figures."""

    name: str
    model: ModelKernels
    text: str
    draws: Mapping[str, Draw]  # by path


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """Everything that model.md.j2 prints."""

    model: ModelKernels
    title: str
    counted: bool
    has_burst: bool
    thresholds: Thresholds
    coverage: str
    reconciliation: str
    highlights: list[Finding]
    time_findings: list[Finding]
    hardware: Table
    environment: Table
    program: Table
    about: Table
    configuration: Table
    kernels: Table
    shares: dict[str, Table]
    figures: Mapping[str, FigureLink]
    kernel_figures: list[FigureLink]
    classes: Table
    verdicts: Table
    class_findings: list[Finding]
    means: Table
    utilisation: list[Finding]
    metrics: Table
    longest: Table
    durations: list[Finding]
    histograms: list[HistogramPart]
    headroom: Table
    roof_findings: list[Finding]
    conclusions: list[Finding]
    bottlenecks: list[Finding]
    recommendations: list[Finding]
    commands: list[str]
    names: Table


def model_pages(profile: Profile, *, each_kernel: bool = False) -> list[ModelPage]:
    """A page for every range of every timeline: model.md, model-2.md and so on.

    ``each_kernel`` adds a roofline of every counted kernel alone.
    """
    pages = []
    for number, model in enumerate(_ranges(profile), start=1):
        stem = "model" if number == 1 else f"model-{number}"
        draws = _draws(model)
        links = _links(draws, stem)
        alone = kernel_draws(model, stem) if each_kernel else {}
        pages.append(
            ModelPage(
                name=f"{stem}.md",
                model=model,
                text=render_model(model, links, list(alone)),
                draws={links[key].path: draw for key, draw in draws.items()} | alone,
            )
        )
    return pages


def is_model_file(path: str) -> bool:
    """True for a path, in a report's folder, of a page or figure made here."""
    return _FILE.fullmatch(path) is not None


def _ranges(profile: Profile) -> Iterator[ModelKernels]:
    for timeline in profile.timelines:
        asked = [time.name for time in timeline.ranges if time.name]
        for name in asked or [timeline.range]:
            yield model_kernels(profile, timeline, name)


def kernel_draws(model: ModelKernels, stem: str = "model") -> dict[str, Draw]:
    """The roofline of each counted kernel alone, by path."""
    return {
        f"{KERNEL_FIGURES}/{stem}-{rank:02d}.png": partial(
            one_kernel_figure, model, int(rank)
        )
        for rank in model.counted["rank"]
    }


def _draws(model: ModelKernels) -> dict[str, Draw]:
    """Figures by key, of those that the data allow."""
    where = f"{model.name}, {', '.join(model.timeline.device_names) or 'GPU not known'}"
    draws: dict[str, Draw] = {
        "families": partial(
            families_figure, model.kernels, title=f"Kernel time, {where}"
        )
    }
    if not len(model.counted):
        return draws
    top, device = model.counted, model.profile.device
    draws["physical"] = partial(
        physical_figure,
        top,
        device,
        model.profile.ceilings,
        title=f"Physical roofline, {where}",
    )
    draws["normalized"] = partial(
        normalized_model_figure, top, title=f"Normalized roofline, {where}"
    )
    draws["headroom"] = partial(headroom_figure, model.top, title=f"Headroom, {where}")
    for group in HISTOGRAMS:
        draws[group.name] = partial(histogram_figure, top, group)
    return draws


def _links(draws: Mapping[str, Draw], stem: str) -> dict[str, FigureLink]:
    titles = {
        "families": "Kernel time by family and library",
        "physical": "Physical roofline",
        "normalized": "Normalized roofline",
        "headroom": "Headroom",
        **{group.name: f"{group.title}, histograms" for group in HISTOGRAMS},
    }
    return {
        key: FigureLink(path=f"{FIGURES}/{stem}-{key}.png", title=titles[key])
        for key in draws
    }


def render_model(
    model: ModelKernels,
    figures: Mapping[str, FigureLink],
    kernel_figures: Sequence[str] = (),
) -> str:
    """The page as Markdown.

    ``figures`` has links by the keys of ``_draws``, ``kernel_figures`` paths of the
    counted kernels' own figures, in their order.
    """
    profile, counted = model.profile, model.counted
    summed_up, causes = conclusions(model), bottlenecks(model)
    roofs = roof_findings(model)
    view = ModelView(
        model=model,
        title=page_title(model),
        counted=bool(len(counted)),
        has_burst=bool(counted[f"{RoofKind.BURST}_roof_us"].notna().any()),
        thresholds=DEFAULT_THRESHOLDS,
        coverage=coverage_line(model),
        reconciliation=reconcile(model.timeline, model.range),
        highlights=[*summed_up[:SUMMED_UP], *causes[:1], *roofs[:1]],
        time_findings=time_findings(model),
        hardware=hardware_table(profile.device),
        environment=model_setup.environment_table(model),
        program=model_setup.program_table(model.timeline.program),
        about=model_setup.about_table(model.timeline.about),
        configuration=model_setup.configuration_table(model),
        kernels=model_tables.kernel_table(model),
        shares=model_tables.share_tables(model),
        figures=figures,
        kernel_figures=[
            FigureLink(path=path, title=str(kernel))
            for path, kernel in zip(kernel_figures, counted["kernel"], strict=False)
        ],
        classes=model_tables.class_table(model),
        verdicts=model_tables.verdict_table(model),
        class_findings=class_findings(model),
        means=model_tables.mean_table(model),
        utilisation=utilisation_findings(model),
        metrics=metric_table(model.profile),
        longest=model_tables.longest_table(model),
        durations=duration_findings(model),
        histograms=[
            HistogramPart(
                title=group.title,
                figure=figures.get(group.name),
                findings=[histogram_finding(counted, one) for one in group.counters],
            )
            for group in HISTOGRAMS
        ],
        headroom=model_tables.headroom_table(model),
        roof_findings=roofs,
        conclusions=summed_up,
        bottlenecks=causes,
        recommendations=recommendations(model),
        commands=[
            *profile.commands,
            *(capture.command for capture in profile.captures),
        ],
        names=model_tables.name_table(model),
    )
    return render("model.md.j2", view)


def page_title(model: ModelKernels) -> str:
    """The model or program, the range and how its kernels were launched."""
    rows = model_setup.program_table(model.timeline.program).rows
    words = model.timeline.program.split()
    name = words[0] if words else "program"
    if rows and rows[0][0] == "Model":
        name = getattr(rows[0][1], "text", name)
    mode = f", {model.timeline.mode}" if model.timeline.mode else ""
    return f"{name}, {model.name}{mode}"
