"""Analytic beside measured, and a mark a level of memory."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from dsprof.analysis.merged_frame import merged_frame
from dsprof.analysis.plots.counter_marks import has_place
from dsprof.analysis.plots.counter_roofline import hierarchy_figure, overlay_figure
from dsprof.analysis.plots.style import to_png
from dsprof.analysis.shown_rows import shown_rows
from dsprof.harness.ceiling import Ceiling, Duration, Pattern
from dsprof.harness.device import DeviceSpec
from tests.analysis.counted import counted_profile, gemm, point_of
from tests.conftest import Factory


def measured(pattern: Pattern, value: float) -> Ceiling:
    return Ceiling(
        pattern=pattern,
        duration=Duration.BURST,
        value=value,
        seconds=0.05,
        work="x",
        sm_clock_mhz=1980,
        memory_clock_mhz=3201,
        power_w=600,
        throttle_reasons=(),
    )


CEILINGS = (
    measured(Pattern.HBM_READ, 4e12),
    measured(Pattern.L2_READ, 1e13),
    measured(Pattern.BF16_DENSE, 8e14),
)


@pytest.fixture
def frame(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> pd.DataFrame:
    return shown_rows(
        merged_frame(
            counted_profile(
                make_profile,
                point_of(make_measurement, make_counters),
                gemm(make_measurement, make_counters),
                point_of(
                    make_measurement,
                    make_counters,
                    kernel="concat",
                    flops={},
                    counters={"fp32_flops": 0.0},
                ),
            )
        )
    )


def places(axes: Axes) -> set[tuple[float, float]]:
    return {
        (round(float(x), 9), round(float(y), 9))
        for collection in axes.collections
        if isinstance(collection, PathCollection)
        for x, y in np.asarray(collection.get_offsets())
    }


def note(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


def test_each_row_is_at_its_analytic_and_at_its_measured_place(
    frame: pd.DataFrame, toy_gpu: DeviceSpec
) -> None:
    figure = overlay_figure(frame, toy_gpu, ())
    cold, warm = figure.axes
    assert [axes.get_title() for axes in (cold, warm)] == ["Cold L2", "Warm L2"]
    rows = frame[(frame["cache"] == "cold") & (frame["kernel"] != "concat")]
    expected = {
        (round(row[x], 9), round(row[y] / 1e12, 9))
        for _, row in rows.iterrows()
        for x, y in (
            ("intensity_analytic", "flops_per_s_analytic"),
            ("intensity_dram", "flops_per_s_measured"),
        )
    }
    assert places(cold) == expected
    joins = next(one for one in cold.collections if isinstance(one, LineCollection))
    assert len(joins.get_segments()) == 2


def test_each_row_has_three_levels_at_one_height(
    frame: pd.DataFrame, toy_gpu: DeviceSpec
) -> None:
    cold = hierarchy_figure(frame, toy_gpu, CEILINGS).axes[0]
    heights = [y for _, y in places(cold)]
    assert sorted(heights.count(y) for y in set(heights)) == [3, 3]


def test_rows_without_flop_are_counted_and_named_in_the_note(
    frame: pd.DataFrame, toy_gpu: DeviceSpec
) -> None:
    words = note(overlay_figure(frame, toy_gpu, ()))
    assert "Not drawn: 2 rows whose FLOP or bytes are 0 or were not counted" in words
    assert "of concat." in words
    assert "Rates are over graph time." in words


def test_measured_roofs_are_dashed_and_give_the_ridge(
    frame: pd.DataFrame, toy_gpu: DeviceSpec
) -> None:
    words = note(overlay_figure(frame, toy_gpu, CEILINGS))
    assert "Dashed, measured: HBM read (burst) 4,000 GB/s" in words
    # P_peak / BW_eff: 1e15 / 4e12 for BF16.
    assert "BF16 tensor 250" in words
    assert "Dashed" not in note(overlay_figure(frame, toy_gpu, ()))
    drawn = hierarchy_figure(frame, toy_gpu, CEILINGS).axes[0]
    assert "L2, measured, 10,000 GB/s" in [text.get_text() for text in drawn.texts]


def test_many_kernels_have_a_panel_a_category_whose_legend_names_them(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    points = [
        point_of(
            make_measurement,
            make_counters,
            kernel=f"kernel_{i:02}",
            category=("Norm", "GEMM", "MoE", "")[i % 4],
        )
        for i in range(20)
    ]
    profile = counted_profile(make_profile, *points)
    frame = shown_rows(merged_frame(profile))
    figure = overlay_figure(frame, profile.device, CEILINGS)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    titles = [axes.get_title() for axes in shown]
    assert titles == ["Norm", "GEMM", "MoE", "no category"]
    for i, axes in enumerate(shown):
        legend = axes.get_legend()
        assert legend is not None
        names = [text.get_text() for text in legend.get_texts()]
        assert names == [f"kernel_{k:02}" for k in range(i, 20, 4)]
    titles = [text.get_text() for text in figure.findobj(Text)]
    assert any(title.endswith(", cold L2") for title in titles)


def test_between_ten_and_sixteen_kernels_names_do_not_overlap(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    points = [
        point_of(
            make_measurement,
            make_counters,
            kernel=f"kernel_{i:02}",
            category=("Norm", "GEMM")[i % 2],
            counters={"fp32_flops": 1e5 * 3**i},
        )
        for i in range(12)
    ]
    profile = counted_profile(make_profile, *points)
    figure = overlay_figure(merged_frame(profile), profile.device, CEILINGS)
    figure.canvas.draw()
    for axes in figure.axes:
        level = [text for text in axes.texts if text.get_rotation() == 0]
        assert sum("kernel_" in text.get_text() for text in level) > 6
        boxes = [Text.get_window_extent(text) for text in level]
        for first, second in combinations(boxes, 2):
            assert not first.overlaps(second)


@pytest.mark.parametrize("count", [0, 1])
def test_no_row_and_one_row_make_a_png(
    frame: pd.DataFrame, toy_gpu: DeviceSpec, count: int
) -> None:
    assert has_place(frame[:count]) is bool(count)
    for draw in (overlay_figure, hierarchy_figure):
        assert to_png(draw(frame[:count], toy_gpu, ())).startswith(b"\x89PNG")


def test_a_dollar_sign_in_a_name_starts_no_formula(
    frame: pd.DataFrame, toy_gpu: DeviceSpec
) -> None:
    odd = frame.assign(kernel=r"a$\x$b", category="$y")
    assert to_png(overlay_figure(odd, toy_gpu, ())).startswith(b"\x89PNG")
