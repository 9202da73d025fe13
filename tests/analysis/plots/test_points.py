import math

import pytest

from dsprof.analysis.plots.points import PlotPoint, points_figure
from dsprof.analysis.plots.style import to_png
from tests.conftest import TOY_GPU


def point(kernel: str, intensity: float, rate: float, size: str = "B=1") -> PlotPoint:
    return PlotPoint(
        kernel=kernel,
        category="Norm",
        size=size,
        intensity=intensity,
        flops_per_s=rate,
    )


def texts(*points: PlotPoint) -> list[str]:
    figure = points_figure(points, TOY_GPU, title="a $ title", y_label="TFLOP/s")
    (axes,) = figure.axes
    assert to_png(figure).startswith(b"\x89PNG")
    return [text.get_text() for text in [*axes.texts, *figure.texts]]


def test_a_kernel_is_named_once_at_its_highest_intensity() -> None:
    found = texts(point("a", 1, 1e12), point("a", 2, 2e12), point("b", 50, 9e13))
    assert found.count("a") == found.count("b") == 1


@pytest.mark.parametrize("rate", [0.0, math.nan])
def test_points_that_a_log_axis_has_no_place_for_are_counted(rate: float) -> None:
    found = texts(point("a", 1, 1e12), point("b", 1, rate), point("c", 0, 1e12))
    assert "b" not in found
    assert any("Not drawn: 2 points without FLOP or rate." in text for text in found)


def test_no_point_at_all_is_said_in_the_panel() -> None:
    assert "No point has both an intensity and a rate." in texts()


def test_the_roofs_are_named_with_their_rates() -> None:
    found = texts(point("a", 1, 1e12))
    assert any("HBM 5,000 GB/s" in text for text in found)
    assert any("FP8 tensor 2,000 TFLOP/s" in text for text in found)
