import pytest

from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.study import Study, analytic_study, recorded_study
from dsprof.analysis.plots.moe import moe_figure
from dsprof.analysis.plots.style import to_png
from dsprof.harness.device import device_spec
from tests.analysis.moe.made import DEEPSEEK, make_geometry, moe_profile
from tests.analysis.plots.line_data import first, values
from tests.conftest import Factory

TOKENS = (1, 80, 901, 14107)


@pytest.fixture
def study(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> Study:
    profile = moe_profile(make_profile, make_measurement, make_timing)
    return recorded_study(profile, DEEPSEEK, Routing.EXPECTED, TOKENS)


def test_both_panels_have_every_measured_point(study: Study) -> None:
    roofline, times = moe_figure(study, title="x").axes
    for axes in (roofline, times):
        ways = [line for line in axes.lines if line.get_marker() in {"s", "^"}]
        assert [len(values(line.get_xdata())) for line in ways] == [3, 3]
    (legend,) = roofline.figure.legends
    words = [text.get_text() for text in legend.get_texts()]
    assert words == [
        "rated roof: least time, expected",
        "rated roof: least time, forced-local",
        "roof measured, burst",
        "whole_moe, sum of calls, cold",
        "group_gemm, sum of calls, cold",
    ]


def test_each_asked_t_lies_on_the_rated_roof(study: Study) -> None:
    _, times = moe_figure(study, title="x").axes
    (rings,) = [line for line in times.lines if line.get_marker() == "o"]
    assert values(rings.get_xdata()) == list(TOKENS)
    # 8 x 44,050,944 + 28,672 bytes / 5 TB/s.
    assert first(rings.get_ydata()) == pytest.approx(70.49, abs=0.01)


def test_every_measured_point_is_within_its_panel(study: Study) -> None:
    for axes in moe_figure(study, title="x").axes:
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        for line in axes.lines:
            if line.get_marker() in {"s", "^", "o"}:
                assert all(left < x < right for x in values(line.get_xdata()))
                assert all(low < y < high for y in values(line.get_ydata()))


def test_without_a_measurement_the_figure_says_so() -> None:
    bare = analytic_study(
        device_spec("b200"), make_geometry(local_experts=32), Routing.EXPECTED, (1,)
    )
    figure = moe_figure(bare, title="x $1")
    notes = [text.get_text() for text in figure.texts]
    assert any("Analytic only" in note for note in notes)
    assert to_png(figure).startswith(b"\x89PNG")
