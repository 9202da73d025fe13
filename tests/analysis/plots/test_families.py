import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dsprof.analysis.plots.families import families_figure
from dsprof.analysis.timeline_frame import kernels_frame
from tests.analysis.planted import DECODE, timeline_of


def rectangles(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def test_a_bar_is_as_long_as_the_share_and_the_longest_is_first() -> None:
    figure = families_figure(kernels_frame(timeline_of(DECODE)), title="x")
    family, library = figure.axes
    assert [bar.get_width() for bar in rectangles(family)] == pytest.approx(
        [50, 20, 12, 8, 6, 4]
    )
    assert [tick.get_text() for tick in library.get_yticklabels()] == [
        *("cuBLAS", "PyTorch ATen", "FlashAttention", "unknown"),
    ]
    assert sum(bar.get_width() for bar in rectangles(library)) == pytest.approx(100)


def test_no_kernel_is_said_in_the_panels() -> None:
    empty = kernels_frame(timeline_of(DECODE)).head(0)
    assert isinstance(empty, pd.DataFrame)
    figure = families_figure(empty, title="x")
    assert {axes.texts[0].get_text() for axes in figure.axes} == {"No kernel ran."}
