from itertools import combinations

import pytest
from matplotlib.text import Text

from dsprof.analysis.frames import measurements_frame
from dsprof.analysis.merged_frame import merged_frame
from dsprof.analysis.plots.kernel_roofline import (
    KernelPoint,
    counted_points,
    kernel_figure,
    timed_points,
)
from dsprof.analysis.plots.style import to_png
from dsprof.harness.device import DeviceSpec
from dsprof.harness.profile import Profile
from dsprof.harness.records import Phase, Status
from tests.analysis.counted import counted_profile, point_of
from tests.analysis.plots.test_counter_roofline import CEILINGS
from tests.conftest import Factory


@pytest.fixture
def profile(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> Profile:
    return counted_profile(
        make_profile,
        *(
            point_of(make_measurement, make_counters, batch_size=batch)
            for batch in (1, 128)
        ),
        point_of(
            make_measurement,
            make_counters,
            phase=Phase.PREFILL,
            batch_size=8,
            seq_len=2048,
        ),
    )


def points(profile: Profile) -> list[KernelPoint]:
    timed = timed_points(measurements_frame(profile))
    return [*timed, *counted_points(merged_frame(profile))]


def test_measured_points_carry_their_size(profile: Profile) -> None:
    figure = kernel_figure(points(profile), profile.device, CEILINGS, kernel="rmsnorm")
    for axes in figure.axes:
        words = {text.get_text() for text in axes.texts}
        assert {"B=1", "B=128", "B=8 S=2048"} <= words
        assert len(axes.lines) >= 3  # a line joins both places of each size


def test_no_two_texts_overlap(profile: Profile) -> None:
    figure = kernel_figure(points(profile), profile.device, CEILINGS, kernel="rmsnorm")
    figure.canvas.draw()
    for axes in figure.axes:
        level = [text for text in axes.texts if text.get_rotation() == 0]
        boxes = [Text.get_window_extent(text) for text in level]
        for first, second in combinations(boxes, 2):
            assert not first.overlaps(second)


def test_a_kernel_without_counters_names_the_ends_of_each_sweep(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = tuple(make_measurement(batch_size=batch) for batch in (1, 2, 4, 64))
    timed = timed_points(measurements_frame(make_profile(measurements=rows)))
    assert {point.is_measured for point in timed} == {False}
    figure = kernel_figure(timed, make_profile().device, (), kernel="rmsnorm")
    words = {text.get_text() for text in figure.axes[0].texts}
    assert {"B=1", "B=64"} <= words
    assert not {"B=2", "B=4"} & words


def test_what_was_not_timed_is_no_point(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = (make_measurement(status=Status.FAILED),)
    assert timed_points(measurements_frame(make_profile(measurements=rows))) == []


def test_a_kernel_without_flop_says_why_its_picture_is_empty(
    toy_gpu: DeviceSpec,
) -> None:
    figure = kernel_figure([], toy_gpu, (), kernel="concat")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "No point has FLOP, bytes and a time." in texts
    assert to_png(figure).startswith(b"\x89PNG")
