"""The three figures: what they draw, name and leave out."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from dsprof.analysis.frames import measurements_frame
from dsprof.analysis.plots.roofline import roofline_figure
from dsprof.analysis.plots.scaling import time_figure
from dsprof.analysis.plots.share import share_figure
from dsprof.analysis.plots.style import to_png
from dsprof.harness.device import Datapath
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Phase,
    Status,
)
from tests.conftest import Factory

PNG_MAGIC = b"\x89PNG"


def texts(figure: Figure) -> str:
    """All visible text of a drawn figure."""
    figure.canvas.draw()
    found = figure.findobj(Text)
    return "\n".join(text.get_text() for text in found)


def figures(profile: Profile) -> list[Figure]:
    frame = measurements_frame(profile)
    return [
        roofline_figure(frame, profile.device),
        time_figure(frame),
        share_figure(frame),
    ]


@pytest.fixture
def profile(make_profile: Factory, make_measurement: Factory) -> Profile:
    made: Profile = make_profile(
        measurements=(
            *(make_measurement(batch_size=batch) for batch in (1, 2, 128)),
            make_measurement(phase=Phase.PREFILL, batch_size=1, seq_len=1024),
            make_measurement(kernel="concat", category="Concat", flops={}),
            make_measurement(kernel="gate", batch_size=128, status=Status.OUT_OF_LIMIT),
        )
    )
    return made


def test_every_figure_becomes_the_same_png_each_time(profile: Profile) -> None:
    for first, second in zip(figures(profile), figures(profile), strict=True):
        png = to_png(first)
        assert png.startswith(PNG_MAGIC)
        assert png == to_png(second)


def test_a_profile_without_rows_still_gives_figures_that_say_so(
    make_profile: Factory,
) -> None:
    roofline, time, share = figures(make_profile(measurements=()))
    assert "No point with FLOP has a cold time." in texts(roofline)
    assert "No point of this profile has a time." in texts(time)
    assert to_png(share).startswith(PNG_MAGIC)


def test_a_profile_without_a_timed_row_still_gives_figures(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = (make_measurement(batch_size=1, status=Status.FAILED),)
    *_, share = figures(make_profile(measurements=rows))
    assert "failed" in texts(share)


def test_a_dollar_sign_in_a_name_starts_no_formula(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = (make_measurement(kernel=r"a$\x$b", op="$y$", batch_size=1),)
    for figure in figures(make_profile(measurements=rows)):
        assert to_png(figure).startswith(PNG_MAGIC)


def test_the_roofline_names_each_roof_and_ridge_of_the_device(
    profile: Profile,
) -> None:
    shown = texts(roofline_figure(measurements_frame(profile), profile.device))
    for name in (
        "HBM 5,000 GB/s",
        "FP8 tensor 2,000 TFLOP/s",
        "BF16 tensor 1,000 TFLOP/s",
        "FP32 50 TFLOP/s",
        "ridge 400 FLOP/byte",
        "ridge 200 FLOP/byte",
        "ridge 10 FLOP/byte",
    ):
        assert name in shown


def test_the_roofline_counts_and_names_what_a_log_axis_cannot_show(
    profile: Profile,
) -> None:
    figure = roofline_figure(measurements_frame(profile), profile.device)
    assert "1 timed point without FLOP, of concat." in texts(figure)


def offsets(axes: Axes) -> list[list[float]]:
    """Positions of an axes' scattered points."""
    return [
        position
        for collection in axes.collections
        if isinstance(collection, PathCollection)
        for position in np.asarray(collection.get_offsets()).tolist()
    ]


def test_the_roofline_of_a_phase_holds_that_phase_only_and_within_its_axes(
    profile: Profile,
) -> None:
    frame = measurements_frame(profile)
    figure = roofline_figure(frame, profile.device, phase=Phase.PREFILL)
    expected = frame[(frame["phase"] == "prefill") & (frame["flops"] > 0)]
    cold = figure.axes[0]
    (position,) = offsets(cold)
    assert position == pytest.approx(
        [
            expected["intensity_flop_per_byte"].item(),
            expected["cold_flops_per_s"].item() / 1e12,
        ]
    )
    assert cold.viewLim.contains(*position)


def test_no_two_texts_of_the_roofline_overlap(profile: Profile) -> None:
    figure = roofline_figure(measurements_frame(profile), profile.device)
    figure.canvas.draw()
    for axes in figure.axes:
        level = [text for text in axes.texts if text.get_rotation() == 0]
        boxes = [Text.get_window_extent(text) for text in level]
        for first, second in combinations(boxes, 2):
            assert not first.overlaps(second)


def test_time_panels_are_one_an_op_with_warm_cold_and_roof_lines(
    profile: Profile,
) -> None:
    figure = time_figure(measurements_frame(profile))
    shown = [axes for axes in figure.axes if axes.get_visible()]
    titles = [axes.get_title(loc="left") for axes in shown]
    assert titles == ["rmsnorm\ninput_layernorm", "concat\ninput_layernorm"]
    assert [len(axes.lines) for axes in shown] == [3, 3]


def test_contexts_of_one_op_are_lines_of_one_panel(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = tuple(
        make_measurement(batch_size=batch, kv_len=kv_len, flops={Datapath.FP32: kv_len})
        for batch in (1, 2)
        for kv_len in (1024, 4096)
    )
    (axes,) = time_figure(measurements_frame(make_profile(measurements=rows))).axes
    assert "decode kv=1024, kv=4096" in axes.get_title(loc="left")
    assert len(axes.lines) == 6


def test_shares_beyond_the_roof_stay_inside_the_axis(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> None:
    row = make_measurement(batch_size=1, warm=make_timing(median_us=0.001))
    frame = measurements_frame(make_profile(measurements=(row,)))
    assert frame["warm_peak_pct"].item() > 100
    low, high = share_figure(frame).axes[0].get_xlim()
    assert low < frame["cold_peak_pct"].item()
    assert frame["warm_peak_pct"].item() < high


def test_an_op_without_a_share_at_one_size_says_why_in_its_row(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = (
        make_measurement(batch_size=1),
        make_measurement(batch_size=128, status=Status.OUT_OF_LIMIT),
        make_measurement(kernel="other", batch_size=1),
    )
    figure = share_figure(measurements_frame(make_profile(measurements=rows)))
    shown = [{text.get_text() for text in axes.texts} for axes in figure.axes]
    # No row has the third reported size, which so has no panel.
    assert shown == [set(), {"out of limit", "no row"}]


def test_an_op_without_a_share_at_any_size_is_counted_under_the_panels(
    profile: Profile,
) -> None:
    figure = share_figure(measurements_frame(profile))
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert not any("gate" in name for name in names)
    assert "any of these sizes: 1 op (out of limit: gate (1))." in texts(figure)
