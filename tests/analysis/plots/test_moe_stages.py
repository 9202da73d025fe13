import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dsprof.analysis.moe.breakdown import GAPS
from dsprof.analysis.moe.curves import Curve
from dsprof.analysis.moe.pipelines import pipeline_curves
from dsprof.analysis.plots.moe_stages import stages_figure
from dsprof.analysis.plots.style import to_png
from tests.analysis.moe.made import DEEPSEEK, pipeline_profile
from tests.conftest import Factory


@pytest.fixture
def pipelines(
    make_profile: Factory,
    make_measurement: Factory,
    make_timing: Factory,
    make_launch: Factory,
) -> tuple[Curve, ...]:
    profile = pipeline_profile(make_profile, make_measurement, make_timing, make_launch)
    return pipeline_curves(profile, DEEPSEEK)


def heights(axes: Axes) -> list[float]:
    patches = (patch for patch in axes.patches if isinstance(patch, Rectangle))
    return [patch.get_height() for patch in patches]


def test_each_pipeline_has_a_panel_and_each_size_with_launches_a_bar(
    pipelines: tuple[Curve, ...],
) -> None:
    figure = stages_figure(pipelines, title="x $1")
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "library_moe, one graph",
        "our_moe, one graph",
    ]
    library, _ = figure.axes
    # 80, 40, 10 and 5 of 140 us, and 5 of gaps.
    assert sorted(heights(library)) == pytest.approx(
        [100 * us / 140 for us in (5, 5, 10, 40, 80)]
    )
    assert sum(heights(library)) == pytest.approx(100)
    assert [tick.get_text() for tick in library.get_xticklabels()] == ["1\n140"]
    assert to_png(figure).startswith(b"\x89PNG")


def test_the_legend_names_each_part_once_and_gaps_last(
    pipelines: tuple[Curve, ...],
) -> None:
    (legend,) = stages_figure(pipelines, title="x").legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["GEMM gate_up", "GEMM down", "gate", "activation", GAPS]


def test_parts_are_all_of_a_call_where_launches_overlap(
    pipelines: tuple[Curve, ...],
) -> None:
    _, ours = stages_figure(pipelines, title="x").axes
    # Spans of 10, 60 and 25 us, of which 1 overlaps, and 2 us between: 96.
    assert sum(heights(ours)) == pytest.approx(100)
    assert ours.get_ylim()[1] == 100


def test_without_launches_the_figure_says_so() -> None:
    (axes,) = stages_figure((), title="x").axes
    assert [text.get_text() for text in axes.texts] == ["No launches were recorded."]
