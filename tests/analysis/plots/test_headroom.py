from dataclasses import replace

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from dsprof.analysis.model_kernels import model_kernels
from dsprof.analysis.plots.headroom import UNKNOWN_COLOR, headroom_figure
from dsprof.harness.profile import Profile
from tests.analysis.planted import DECODE, model_profile
from tests.conftest import Factory


def rectangles(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def bars(profile: Profile) -> list[list[float]]:
    """The widths of the parts of each bar, from the top."""
    top = model_kernels(profile, profile.timelines[0]).top
    (axes,) = headroom_figure(top, title="x").axes
    rows: dict[float, list[float]] = {}
    for bar in rectangles(axes):
        rows.setdefault(bar.get_y(), []).append(bar.get_width())
    return list(rows.values())


def test_a_bar_is_time_at_the_roof_then_headroom(
    make_profile: Factory, make_counters: Factory
) -> None:
    profile = model_profile(make_profile, make_counters)
    found = bars(profile)
    assert found[0] == pytest.approx([36, 14])  # 50 %, at 72 % of its roof
    assert found[-1] == pytest.approx([4])  # without counters


def test_a_kernel_above_its_roof_is_all_roof(
    make_profile: Factory, make_counters: Factory
) -> None:
    profile = model_profile(make_profile, make_counters, DECODE[:1])
    (row,) = profile.counters
    above = replace(row, dram_bytes=180e6)  # 36 us at the roof, of 25
    assert bars(replace(profile, counters=(above,)))[0] == pytest.approx([100, 0])


def test_kernels_without_counters_are_grey(
    make_profile: Factory, make_counters: Factory
) -> None:
    profile = replace(model_profile(make_profile, make_counters), counters=())
    top = model_kernels(profile, profile.timelines[0]).top
    (axes,) = headroom_figure(top, title="x").axes
    colors = {to_hex(bar.get_facecolor()) for bar in rectangles(axes)}
    assert colors == {UNKNOWN_COLOR.lower()}
