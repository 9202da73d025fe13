"""What a report holds: every document and figure of a profile."""

import gc
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from dsprof.analysis.counter_columns import HISTOGRAMS
from dsprof.analysis.frames import measurements_frame
from dsprof.analysis.moe.study import Study
from dsprof.analysis.npu.link_bytes import Parallel
from dsprof.analysis.plots.categories import category_figure
from dsprof.analysis.plots.counter_marks import has_place
from dsprof.analysis.plots.counter_roofline import hierarchy_figure, overlay_figure
from dsprof.analysis.plots.drawing import drawing
from dsprof.analysis.plots.histograms import histogram_figure
from dsprof.analysis.plots.normalized import counted_rows, normalized_figure
from dsprof.analysis.plots.roofline import names_kernels, roofline_figure
from dsprof.analysis.plots.scaling import time_figure
from dsprof.analysis.plots.share import share_figure
from dsprof.analysis.report.corrections import Correction, render_corrections
from dsprof.analysis.report.counters import render_counters
from dsprof.analysis.report.index import page_data, render_index
from dsprof.analysis.report.index_points import shown_counters
from dsprof.analysis.report.machines import ONE_CHIP, machine_pages
from dsprof.analysis.report.model import ModelPage, page_title
from dsprof.analysis.report.moe import render_moe
from dsprof.analysis.report.moe_figures import moe_drawings
from dsprof.analysis.report.roofline import FigureLink, render_roofline
from dsprof.analysis.report.summary import render_summary
from dsprof.analysis.report.whatif import fitted_cache
from dsprof.analysis.whatif.fit import Fits, fit_kernels
from dsprof.harness.profile import Profile

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

OVERVIEW = FigureLink(path="figures/roofline.png", title="Roofline, cold and warm L2")
BY_CATEGORY = FigureLink(
    path="figures/roofline-by-category.png", title="Roofline by category"
)
TIME = FigureLink(path="figures/time.png", title="Time against tokens")
SHARE = FigureLink(path="figures/share.png", title="Share of the bounding spec roof")
MEASURED = FigureLink(
    path="figures/roofline-measured.png", title="Analytic and measured roofline"
)
HIERARCHY = FigureLink(
    path="figures/roofline-hierarchy.png", title="Hierarchical roofline"
)
NORMALIZED = FigureLink(
    path="figures/roofline-normalized.png", title="Normalized roofline"
)
COUNTED = {
    group.name: FigureLink(
        path=f"figures/histograms-{group.name}.png", title=f"{group.title}, histograms"
    )
    for group in HISTOGRAMS
}
COUNTER_ROOFLINES = (MEASURED, HIERARCHY, NORMALIZED)
FIGURES = (OVERVIEW, BY_CATEGORY, TIME, SHARE, *COUNTER_ROOFLINES, *COUNTED.values())
SUMMARY, ROOFLINE, PAGE = "summary.md", "roofline.md", "index.html"
COUNTERS, CORRECTIONS = "counters.md", "corrections.md"
MOE = "moe.md"
MOE_COMMAND = "dsprof moe PROFILE --output DIR"
MOE_FIGURE = re.compile(r"figures/moe-\d+-of-\d+(?:-stages)?\.png")
Drawing = tuple[FigureLink, Callable[[], "Figure"]]


def report_contents(  # noqa: PLR0913 -- parts of a report
    profile: Profile,
    corrections: Sequence[Correction],
    pages: Sequence[ModelPage],
    moe: Sequence[Study] = (),
    parallel: Parallel = ONE_CHIP,
    *,
    apart: bool,
) -> tuple[dict[str, str], dict[str, bytes]]:
    """Every document in order, the page last, and every figure by its path.

    ``moe`` has the studies of the routed experts; without one there is no page of it.
    """
    frame, merged = measurements_frame(profile), shown_counters(profile)
    timed: list[Drawing] = []
    counted: list[Drawing] = []
    if profile.measurements or (merged is None and not pages):
        timed = list(_timed_drawings(profile, frame))
    if merged is not None:
        counted = list(_counter_drawings(profile, merged))
    draws = {link.path: draw for link, draw in (*timed, *counted)}
    for page in pages:
        draws |= page.draws
    for study in moe:
        draws |= moe_drawings(study)
    with drawing(draws, apart=apart) as finish:
        fits = _fits(profile)
        others = machine_pages(profile, fits, parallel)
        documents = {SUMMARY: render_summary(profile, frame)}
        documents |= {page.name: page.text for page in pages}
        if timed:
            links = [link for link, _ in timed]
            documents[ROOFLINE] = render_roofline(profile, links, frame)
        if merged is not None:
            documents[COUNTERS] = render_counters(
                profile,
                merged,
                rooflines=[link for link, _ in counted if link in COUNTER_ROOFLINES],
                histograms=COUNTED,
            )
        if moe:
            documents[MOE] = render_moe(moe, MOE_COMMAND)
        documents |= others.documents()
        documents[CORRECTIONS] = render_corrections(corrections)
        shown = page_data(profile, frame, merged, pages, fits)
        with drawing(others.draws, apart=False) as finish_others:
            later = finish_others()
        pngs = finish() | later
    title = f"dsprof report: {_subject(profile, pages)}"
    documents[PAGE] = render_index(title, shown, list(documents.values()), pngs)
    return documents, pngs


def _subject(profile: Profile, pages: Sequence[ModelPage]) -> str:
    """The GPU, after the program and range where a single one was recorded."""
    if len(pages) != 1:
        return profile.device.name
    return f"{page_title(pages[0].model)}, {profile.device.name}"


def _fits(profile: Profile) -> Fits | None:
    """Made while a second process draws; what they leave behind is let go at once."""
    cache = fitted_cache(profile)
    if cache is None:
        return None
    fits = fit_kernels(profile, cache)
    gc.collect()
    return fits


def _timed_drawings(profile: Profile, frame: "pd.DataFrame") -> Iterator[Drawing]:
    """The panels by category are for runs with too many kernels to name in one."""
    device = profile.device
    yield OVERVIEW, partial(roofline_figure, frame, device, ceilings=profile.ceilings)
    if not names_kernels(frame):
        yield BY_CATEGORY, partial(category_figure, frame, device)
    yield TIME, partial(time_figure, frame)
    yield SHARE, partial(share_figure, frame)


def _counter_drawings(profile: Profile, merged: "pd.DataFrame") -> Iterator[Drawing]:
    """Rooflines where FLOP and bytes were counted, and every histogram."""
    device, ceilings = profile.device, profile.ceilings
    if has_place(merged):
        title = f"{NORMALIZED.title}, {device.name}"
        yield MEASURED, partial(overlay_figure, merged, device, ceilings)
        yield HIERARCHY, partial(hierarchy_figure, merged, device, ceilings)
        yield NORMALIZED, partial(normalized_figure, counted_rows(merged), title=title)
    for group in HISTOGRAMS:
        yield COUNTED[group.name], partial(histogram_figure, merged, group)
