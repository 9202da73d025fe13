import pytest
from matplotlib.axes import Axes

from dsprof.analysis.plots.design_space import design_space_figure
from dsprof.analysis.plots.style import to_png
from dsprof.analysis.whatif.design_space import Exploration, explore
from dsprof.analysis.whatif.design_sweep import parse_sweep
from tests.analysis.plots.line_data import first
from tests.analysis.whatif.hand_made import make_call, make_layer

LAYER = make_layer(
    make_call(hbm=40, tensor=15, fixed=2), make_call(bf16=30, hbm=5, fixed=2)
)


def explored(text: str) -> Exploration:
    (found,) = explore([LAYER], parse_sweep(text), points=2000)
    return found


def stars(axes: Axes) -> list[tuple[float, float]]:
    return [
        (first(line.get_xdata()), first(line.get_ydata()))
        for line in axes.lines
        if line.get_marker() == "*"
    ]


def test_the_source_is_marked_on_every_panel() -> None:
    found = explored("bandwidth=1TB:16TB,fp8=250T:4000T,sram=32MB:512MB")
    small, large, cost, power, _ = design_space_figure(found).axes
    for surface in (small, large):
        assert stars(surface) == [pytest.approx((5, 2000))]
    # 40 + 2 + 30 + 2 us
    assert stars(cost) == [pytest.approx((0.074, found.source.area_mm2))]
    assert stars(power) == [pytest.approx((0.074, found.source.power_w))]
    assert "32.0 MB" in small.get_title(loc="left")
    assert "512 MB" in large.get_title(loc="left")


def test_a_target_marks_the_cheapest_design_that_meets_it() -> None:
    found = explored("bandwidth=1TB:16TB,fp8=250T:4000T,sram=32MB:512MB")
    figure = design_space_figure(found, target_s=60e-6)
    cheapest = found.cheapest(60e-6)
    assert cheapest is not None
    (diamond,) = [line for line in figure.axes[2].lines if line.get_marker() == "D"]
    assert first(diamond.get_ydata()) == cheapest.area_mm2
    (legend,) = figure.legends
    assert legend.get_texts()[-1].get_text() == "cheapest within 0.06 ms"


def test_a_target_that_nothing_meets_marks_nothing() -> None:
    found = explored("bandwidth=1TB:16TB,fp8=250T:4000T")
    (legend,) = design_space_figure(found, target_s=1e-9).legends
    assert len(legend.get_texts()) == 3


def test_one_range_alone_has_no_surface_and_says_so() -> None:
    figure = design_space_figure(explored("bandwidth=1TB:16TB"))
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts == ["A surface needs ranges of two resources."] * 2


@pytest.mark.parametrize(
    "text",
    [
        "bandwidth=1TB:16TB",
        "bandwidth=1TB:16TB,fp8=250T:4000T",
        "sram=32MB:512MB,vector=20T:200T,launch=1us:3us,bandwidth=1TB:16TB",
        "vector=20T:200T,launch=1us,sram=100MB,sram_bandwidth=5TB:40TB",
        "bandwidth=5TB",
    ],
)
def test_any_axes_make_a_png(text: str) -> None:
    assert to_png(design_space_figure(explored(text))).startswith(b"\x89PNG")
