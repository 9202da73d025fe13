import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dsprof.analysis.plots.style import to_png
from dsprof.analysis.plots.tornado import tornado_figure
from dsprof.analysis.whatif.sensitivity import Sensitivity, sensitivity
from tests.analysis.whatif.hand_made import make_call, make_layer

# 60 us of HBM and 40 fixed.
FOUND = sensitivity(make_layer(make_call(hbm=60, tensor=1, fixed=40)))


def widths(axes: Axes) -> list[list[float]]:
    """The ends of the bars of each row, from the top."""
    rows: dict[float, list[float]] = {}
    for bar in axes.patches:
        if isinstance(bar, Rectangle) and bar.get_width():
            rows.setdefault(bar.get_y(), []).append(bar.get_width())
    return [sorted(ends) for ends in rows.values()]


def test_bars_are_the_changes_with_half_and_twice_the_most_on_top() -> None:
    (axes,) = tornado_figure([FOUND], title="x").axes
    # HBM 120 or 30 instead of 60, of 100 us; the launch latency 20 or 80 of 40;
    # twice the on-chip memory keeps 50 of 300 MB.
    assert widths(axes) == [
        pytest.approx([-30, 60]),
        pytest.approx([-20, 40]),
        pytest.approx([-10]),
    ]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [
        "HBM bandwidth, 5.00 TB/s",
        "launch latency, 1.00 us",
        "on-chip capacity, 50.0 MB",
    ]


def test_resources_without_effect_are_named_in_the_note() -> None:
    figure = tornado_figure([FOUND], title="x")
    (note,) = [text.get_text() for text in figure.texts if "Without" in text.get_text()]
    assert "FP8 tensor rate" in note
    assert "HBM bandwidth" not in note


@pytest.mark.parametrize("count", [0, 1, 3])
def test_any_number_of_layers_makes_a_png(count: int) -> None:
    found: list[Sensitivity] = [FOUND] * count
    assert to_png(tornado_figure(found, title="$ <b>")).startswith(b"\x89PNG")


def test_a_layer_of_one_resource_makes_a_png() -> None:
    found = sensitivity(make_layer(make_call(fixed=1)))
    assert to_png(tornado_figure([found], title="x")).startswith(b"\x89PNG")
