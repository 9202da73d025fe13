import pytest

from dsprof.analysis.plots.knee import knee_figure
from dsprof.analysis.plots.style import to_png
from dsprof.analysis.whatif.knee import curve, knee
from dsprof.analysis.whatif.resource import RATES, Resource
from dsprof.analysis.whatif.terms import LayerTerms
from tests.analysis.plots.line_data import first
from tests.analysis.whatif.hand_made import make_call, make_layer

LAYER = make_layer(make_call(hbm=40, tensor=20, bf16=1, vector=1, on_chip=1, fixed=1))


def test_a_dot_marks_the_knee_and_the_legend_says_what_limits_then() -> None:
    one, found = curve(LAYER), knee(LAYER)
    assert one is not None
    assert found is not None
    figure = knee_figure([one], [found], title="x")
    (axes,) = figure.axes
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [first(dot.get_xdata()) for dot in dots] == pytest.approx([10])
    (legend,) = figure.legends
    words = [text.get_text() for text in legend.get_texts()]
    assert words == [
        "decode B=4, kv_len 1000\nknee at 10.0 TB/s\nthen FP8 tensor rate",
        "Toy GPU",
    ]


def test_a_layer_without_a_knee_says_why() -> None:
    for layer, resource, words in (
        (make_layer(make_call(hbm=1)), Resource.BANDWIDTH, "has no knee"),
        (make_layer(make_call(hbm=1)), Resource.FP8, "depends little on it"),
    ):
        one, found = curve(layer, resource), knee(layer, resource)
        assert one is not None
        assert found is not None
        (legend,) = knee_figure([one], [found], title="x").legends
        assert words in legend.get_texts()[0].get_text()


@pytest.mark.parametrize("resource", RATES)
def test_every_rate_makes_a_png(resource: Resource) -> None:
    layers: list[LayerTerms] = [LAYER, make_layer(make_call(hbm=3, fixed=1))]
    curves = [one for layer in layers if (one := curve(layer, resource))]
    knees = [found for layer in layers if (found := knee(layer, resource))]
    assert to_png(knee_figure(curves, knees, title="x")).startswith(b"\x89PNG")


def test_no_layer_makes_a_png() -> None:
    assert to_png(knee_figure([], [], title="x")).startswith(b"\x89PNG")
