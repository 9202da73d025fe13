import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dsprof.analysis.counter_columns import HISTOGRAMS, CounterGroup
from dsprof.analysis.merged_frame import merged_frame
from dsprof.analysis.plots.histograms import histogram_figure
from dsprof.analysis.plots.style import to_png
from tests.analysis.counted import counted_profile, point_of
from tests.conftest import Factory

THROUGHPUT, CACHES, OCCUPANCY = HISTOGRAMS


@pytest.fixture
def frame(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> pd.DataFrame:
    points = [
        point_of(
            make_measurement,
            make_counters,
            batch_size=2**i,
            counters={"sm_pct": 10.0 * i, "duration_ns": 1000.0 * 4**i},
            warm={"l1_hit_pct": None},
        )
        for i in range(6)
    ]
    return merged_frame(counted_profile(make_profile, *points))


def counted(figure: Figure, panel: int) -> float:
    """Heights of all bars of a panel."""
    patches = figure.axes[panel].patches
    return sum(bar.get_height() for bar in patches if isinstance(bar, Rectangle))


@pytest.mark.parametrize("group", HISTOGRAMS, ids=lambda group: group.name)
def test_every_row_with_the_counter_is_in_a_bar(
    frame: pd.DataFrame, group: CounterGroup
) -> None:
    figure = histogram_figure(frame, group)
    for panel, counter in enumerate(group.counters):
        assert counted(figure, panel) == frame[counter.column].notna().sum()
        assert figure.axes[panel].get_xlabel() == counter.unit


def test_percentages_share_an_axis_that_grows_only_beyond_100(
    frame: pd.DataFrame,
) -> None:
    assert histogram_figure(frame, THROUGHPUT).axes[0].get_xlim() == (0, 100)
    above = frame.assign(sm_pct=112.0)
    figure = histogram_figure(above, THROUGHPUT)
    assert figure.axes[0].get_xlim() == (0, 115)
    assert counted(figure, 0) == len(above)


def test_durations_of_three_decades_are_on_a_log_axis(frame: pd.DataFrame) -> None:
    assert histogram_figure(frame, OCCUPANCY).axes[2].get_xscale() == "log"
    same = frame.assign(duration_us=5.0)
    assert histogram_figure(same, OCCUPANCY).axes[2].get_xscale() == "linear"


def test_a_counter_that_no_row_has_says_so(frame: pd.DataFrame) -> None:
    bare = frame.assign(l1_hit_pct=float("nan"))
    texts = [text.get_text() for text in histogram_figure(bare, CACHES).axes[0].texts]
    assert texts == ["No point has this counter."]


@pytest.mark.parametrize("group", HISTOGRAMS, ids=lambda group: group.name)
def test_no_rows_and_one_row_make_a_png(
    frame: pd.DataFrame, group: CounterGroup
) -> None:
    for rows in (frame[:0], frame[:1]):
        assert to_png(histogram_figure(rows, group)).startswith(b"\x89PNG")


def test_rows_without_a_cache_state_are_grey_and_named(frame: pd.DataFrame) -> None:
    figure = histogram_figure(frame.assign(cache=""), THROUGHPUT)
    (legend,) = figure.legends
    words = [text.get_text() for text in legend.get_texts()]
    assert words == ["L2 state not recorded", "median"]
