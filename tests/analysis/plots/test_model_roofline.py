from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from dsprof.analysis.model_kernels import ModelKernels, model_kernels
from dsprof.analysis.plots.model_roofline import (
    normalized_model_figure,
    one_kernel_figure,
    physical_figure,
)
from dsprof.analysis.plots.style import to_png
from tests.analysis.planted import COMPUTES, GEMM, GEMV, OWN, Planted, model_profile
from tests.conftest import TOY_GPU, Factory


@pytest.fixture
def model(make_profile: Factory, make_counters: Factory) -> ModelKernels:
    kernels = (
        Planted(name=GEMV, total_us=300.0),
        Planted(name=GEMM, total_us=100.0, counters=COMPUTES, grids={1: 0.5, 2: 0.5}),
        Planted(name=OWN, total_us=50.0, counters=None),
    )
    profile = model_profile(make_profile, make_counters, kernels)
    return model_kernels(profile, profile.timelines[0])


def drawn(figure: Figure) -> PathCollection:
    """The points of a roofline."""
    points = figure.axes[0].collections[-1]
    assert isinstance(points, PathCollection)
    return points


def test_points_lie_at_counted_work_over_the_time_in_the_program(
    model: ModelKernels,
) -> None:
    figure = physical_figure(model.top, TOY_GPU, (), title="x")
    # 1 MFLOP and 3.6 MB a microsecond; 0.8 GFLOP and 0.75 MB.
    points = drawn(figure)
    assert np.asarray(points.get_offsets()).tolist() == [
        pytest.approx([1 / 3.6, 1.0]),
        pytest.approx([800 / 0.75, 800.0]),
    ]
    large, small = points.get_sizes()
    assert large / small == pytest.approx(3)


def test_what_has_no_place_is_named_by_its_rank(model: ModelKernels) -> None:
    figure = physical_figure(model.top, TOY_GPU, (), title="x")
    notes = " ".join(text.get_text() for text in figure.texts)
    assert "Not drawn" in notes
    assert "#3." in notes


def test_the_normalized_figure_is_against_each_kernels_own_roof(
    model: ModelKernels,
) -> None:
    figure = normalized_model_figure(model.top, title="x")
    assert np.asarray(drawn(figure).get_offsets()).tolist() == [
        pytest.approx([1 / 3.6 / 10, 1 / 50]),
        pytest.approx([800 / 0.75 / 200, 0.8]),
    ]


def test_one_kernel_has_a_point_a_launch_configuration(model: ModelKernels) -> None:
    figure = one_kernel_figure(model, 2)
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words[:2] == ["grid 1x1x1, block 128x1x1", "grid 2x1x1, block 128x1x1"]


def test_an_unknown_device_and_no_counters_still_make_figures(
    model: ModelKernels,
) -> None:
    bare = replace(TOY_GPU, flops_per_s={})
    assert to_png(physical_figure(model.top, bare, (), title="x"))
    assert to_png(normalized_model_figure(model.top.tail(1), title="x"))
