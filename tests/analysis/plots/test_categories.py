"""Runs of many kernels: an overview without names, and a panel a category."""

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from dsprof.analysis.frames import measurements_frame
from dsprof.analysis.plots.categories import category_figure
from dsprof.analysis.plots.roofline import MOST_NAMED_KERNELS, roofline_figure
from dsprof.analysis.plots.style import to_png
from dsprof.harness.profile import Profile
from tests.conftest import Factory

CATEGORIES = ("Norm", "GEMM", "MoE")


def name(i: int) -> str:
    return f"kernel_{i:02}"


@pytest.fixture
def many(make_profile: Factory, make_measurement: Factory) -> Profile:
    """More kernels than the overview names, and as many without FLOP."""
    count = MOST_NAMED_KERNELS + 2
    made: Profile = make_profile(
        measurements=(
            *(
                make_measurement(kernel=name(i), category=CATEGORIES[i % 3])
                for i in range(count)
            ),
            *(make_measurement(kernel=f"moves_{i:02}", flops={}) for i in range(count)),
        )
    )
    return made


def words(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_the_overview_of_many_kernels_names_roofs_but_no_kernel(many: Profile) -> None:
    shown = words(roofline_figure(measurements_frame(many), many.device))
    assert "HBM 5,000 GB/s" in shown
    assert not any("kernel_" in text for text in shown)


def test_the_overview_of_few_kernels_names_each(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = tuple(make_measurement(kernel=name(i), batch_size=4**i) for i in range(3))
    profile = make_profile(measurements=rows)
    shown = words(roofline_figure(measurements_frame(profile), profile.device))
    assert {name(0), name(1), name(2)} <= set(shown)


def test_each_category_has_a_panel_whose_legend_names_its_kernels(
    many: Profile,
) -> None:
    figure = category_figure(measurements_frame(many), many.device)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == list(CATEGORIES)
    for i, axes in enumerate(shown):
        legend = axes.get_legend()
        assert legend is not None
        named = [text.get_text() for text in legend.get_texts()]
        assert named == [name(j) for j in range(i, MOST_NAMED_KERNELS + 2, 3)]
    assert len({axes.get_xlim() for axes in shown}) == 1


def test_long_notes_wrap_inside_the_figure_and_below_its_panels(
    many: Profile,
) -> None:
    frame = measurements_frame(many)
    for figure in (
        roofline_figure(frame, many.device),
        category_figure(frame, many.device),
    ):
        figure.canvas.draw()
        (note,) = (text for text in figure.texts if "Not drawn" in text.get_text())
        box = Text.get_window_extent(note)
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0
        panels = [axes.get_tightbbox() for axes in figure.axes]
        assert all(panel is not None and box.y1 < panel.y0 for panel in panels)


def test_a_run_without_cold_times_shows_warm_ones(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = (make_measurement(cold=None),)
    profile = make_profile(measurements=rows)
    figure = category_figure(measurements_frame(profile), profile.device)
    assert "warm L2" in figure.get_suptitle()


def test_no_point_at_all_is_said(make_profile: Factory) -> None:
    profile = make_profile(measurements=())
    figure = category_figure(measurements_frame(profile), profile.device)
    assert "No point with FLOP has a time." in words(figure)
    assert to_png(figure).startswith(b"\x89PNG")
