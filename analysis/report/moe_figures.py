"""The pictures of moe.md, by the path that the page has for each."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from dsprof.analysis.moe.study import Study
from dsprof.analysis.plots.moe import moe_figure
from dsprof.analysis.plots.moe_stages import stages_figure
from dsprof.analysis.report.moe import figure_link, stage_figure_link

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def moe_drawings(study: Study) -> "dict[str, Callable[[], Figure]]":
    """What draws each picture of one geometry."""
    chart, stages = figure_link(study), stage_figure_link(study)
    draws: dict[str, Callable[[], Figure]] = {
        chart.path: partial(moe_figure, study, title=chart.title)
    }
    if stages is not None:
        draws[stages.path] = partial(
            stages_figure, study.recorded.pipelines, title=stages.title
        )
    return draws
