import pytest
from matplotlib.patches import Rectangle

from dsprof.analysis.plots.intensity import intensity_figure
from dsprof.analysis.plots.style import to_png
from dsprof.analysis.whatif.balance import Balance, balance
from tests.analysis.plots.line_data import first
from tests.analysis.whatif.hand_made import FP8, make_call, make_layer


def found_balance() -> Balance:
    """Three quarters of the time at 2 FLOP/byte, one without FLOP."""
    busy = make_call(hbm=75, flops={FP8: 150.0}, footprint_bytes=75.0)
    found = balance(make_layer(busy, make_call(hbm=25)))
    assert found is not None
    return found


def test_bars_are_percent_of_the_time_with_calls_without_flop_on_the_left() -> None:
    (axes,) = intensity_figure([found_balance()], title="x").axes
    bars = [bar for bar in axes.patches if isinstance(bar, Rectangle)]
    heights = [bar.get_height() for bar in sorted(bars, key=lambda bar: bar.get_x())]
    assert heights == pytest.approx([25, 75])
    # 2 FLOP/byte begins at an exponent of 1.
    assert max(bar.get_x() + bar.get_width() / 2 for bar in bars) == pytest.approx(1.5)
    assert axes.get_xticklabels()[0].get_text() == "no FLOP"


def test_the_line_is_the_balance_of_the_source() -> None:
    (axes,) = intensity_figure([found_balance()], title="x").axes
    (line,) = axes.lines
    assert 2.0 ** first(line.get_xdata()) == pytest.approx(400)
    assert "400 FLOP/byte (FP8)" in axes.get_title(loc="left")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_any_number_of_layers_makes_a_png(count: int) -> None:
    figure = intensity_figure([found_balance()] * count, title="x")
    assert to_png(figure).startswith(b"\x89PNG")
