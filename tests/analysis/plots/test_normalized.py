import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsprof.analysis.frames import measurements_frame
from dsprof.analysis.merged_frame import merged_frame
from dsprof.analysis.plots.normalized import (
    analytic_rows,
    counted_rows,
    normalized_figure,
)
from dsprof.analysis.plots.style import to_png
from tests.analysis.counted import counted_profile, gemm
from tests.conftest import Factory


def test_a_point_at_its_roof_lies_on_the_one_roof(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> None:
    row = make_measurement()
    at_roof = make_measurement(cold=make_timing(median_us=row.roof_time_us))
    rows = analytic_rows(measurements_frame(make_profile(measurements=(at_roof,))))
    cold = rows[rows["cache"] == "cold"].iloc[0]
    assert cold["y"] == pytest.approx(min(1.0, cold["x"]))
    assert cold["class"] == "memory-bound"


def test_counted_rows_are_analytic_where_the_work_is_known(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    frame = merged_frame(
        counted_profile(make_profile, gemm(make_measurement, make_counters))
    )
    rows = counted_rows(frame)
    # 1e10 FLOP over 11 MB, against a ridge of 200; 12 us cold.
    assert rows["x"].tolist() == pytest.approx([1e10 / 11e6 / 200] * 2)
    cold = rows[rows["cache"] == "cold"]
    assert cold["y"].item() == pytest.approx(1e10 / 12e-6 / 1e15)
    foreign = frame.assign(
        intensity_analytic=float("nan"),
        flops_per_s_analytic=float("nan"),
        intensity_dram=400.0,
        flops_per_s_measured=5e14,
    )
    assert counted_rows(foreign)[["x", "y"]].to_numpy().tolist() == [[2.0, 0.5]] * 2


@settings(max_examples=30, deadline=None)
@given(
    x=st.floats(min_value=1e-9, max_value=1e9), y=st.floats(min_value=1e-9, max_value=9)
)
def test_every_point_with_a_place_is_within_the_axes(x: float, y: float) -> None:
    rows = pd.DataFrame(
        {
            "kernel": ["k"] * 17,  # not named: one kernel is enough
            "phase": "decode",
            "cache": "cold",
            "class": "balanced",
            "x": x,
            "y": y,
        }
    )
    (axes,) = normalized_figure(rows, title="t").axes
    assert axes.get_xlim()[0] < x < axes.get_xlim()[1]
    assert axes.get_ylim()[0] < y < axes.get_ylim()[1]


def test_classes_are_told_apart_and_what_has_no_place_is_named() -> None:
    rows = pd.DataFrame(
        {
            "kernel": ["a", "b", "moves"],
            "phase": ["decode", "prefill", "decode"],
            "cache": "cold",
            "class": ["memory-bound", "compute-bound", "memory-bound"],
            "x": [0.1, 5, 0],
            "y": [0.05, 0.8, 0],
        }
    )
    figure = normalized_figure(rows, title="t")
    (legend,) = figure.legends
    words = [text.get_text() for text in legend.get_texts()]
    assert words == ["compute-bound", "memory-bound", "decode", "prefill", "roof"]
    notes = " ".join(text.get_text() for text in figure.texts)
    assert "Not drawn: 1 point without FLOP, rate or roof, of moves." in notes
    assert {"a", "b"} <= {text.get_text() for text in figure.axes[0].texts}


def test_no_row_makes_a_png() -> None:
    columns = ["kernel", "phase", "cache", "class", "x", "y"]
    figure = normalized_figure(pd.DataFrame(columns=columns), title="t")
    assert to_png(figure).startswith(b"\x89PNG")
