import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.whatif.left_out import (
    LeftOutPoint,
    errors,
    extrapolated,
    left_out,
    ratio_quantiles,
)
from dsprof.analysis.whatif.target import source_target
from dsprof.analysis.whatif.work import Sweep, sweeps
from dsprof.harness.counters import Counters
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Measurement, Phase, Point
from tests.conftest import Factory

DECODE = (1, 4, 16, 64, 128)
PREFILL = (128, 512, 1024, 2048, 4096, 8192)


def rmsnorm_sweep(make_measurement: Factory, make_timing: Factory) -> list[Measurement]:
    """4 us and what 1 us for 3 MB takes, at sizes of decode and of prefill."""
    rows = []
    for phase, tokens in [
        *((Phase.DECODE, count) for count in DECODE),
        *((Phase.PREFILL, count) for count in PREFILL),
    ]:
        batch, seq = (tokens, 1) if phase is Phase.DECODE else (1, tokens)
        row = make_measurement(phase=phase, batch_size=batch, seq_len=seq)
        time_us = 4 + row.total_bytes / 3e6
        rows.append(replace(row, cold=make_timing(median_us=time_us)))
    return rows


def _poisoned(row: Measurement, make_timing: Factory) -> Measurement:
    """A second, whatever the work."""
    return replace(row, cold=make_timing(median_us=1e6))


def sweep_of(profile: Profile) -> Sweep:
    return sweeps(profile, Cache.COLD)["rmsnorm"]


@pytest.fixture
def rows(make_measurement: Factory, make_timing: Factory) -> list[Measurement]:
    return rmsnorm_sweep(make_measurement, make_timing)


def test_every_point_is_predicted_once_by_a_fit_without_it(
    make_profile: Factory, rows: list[Measurement]
) -> None:
    profile = make_profile(measurements=tuple(rows))
    points = left_out(sweep_of(profile), source_target(profile))

    assert {one.point for one in points} == {row.point for row in rows}
    assert len(points) == len(rows)
    assert errors(points).median_pct < 10


def test_points_of_one_token_count_are_left_out_together(
    make_profile: Factory, rows: list[Measurement], make_timing: Factory
) -> None:
    # Decode of 128 requests and prefill of 128 tokens: both are poisoned, so that the
    # one would spoil the prediction of the other if it were in its fit.
    poisoned = [
        replace(row, cold=make_timing(median_us=1e6))
        if row.point.tokens == 128
        else row
        for row in rows
    ]

    def at_128(measurements: list[Measurement]) -> list[float]:
        profile = make_profile(measurements=tuple(measurements))
        points = left_out(sweep_of(profile), source_target(profile))
        return [one.predicted_s for one in points if one.point.tokens == 128]

    assert len(at_128(rows)) == 2
    assert at_128(poisoned) == at_128(rows)


def test_what_was_counted_at_a_left_out_token_count_is_left_out_too(
    make_profile: Factory, rows: list[Measurement], make_counters: Factory
) -> None:
    def counted(label: str, read: float) -> Counters:
        launch: Counters = make_counters(label=label, dram_read_bytes=read)
        return launch

    labels = [row.point.label for row in rows if row.point.tokens == 2048]

    def at_2048(read: float) -> list[float]:
        profile = make_profile(
            measurements=tuple(rows), counters=(counted(labels[0], read),)
        )
        points = left_out(sweep_of(profile), source_target(profile))
        return [one.predicted_s for one in points if one.point.tokens == 2048]

    assert at_2048(3e7) == at_2048(3e9)


def test_extrapolation_sees_no_point_of_more_than_1024_tokens(
    make_profile: Factory, rows: list[Measurement], make_timing: Factory
) -> None:
    poisoned = [
        replace(row, cold=make_timing(median_us=1e6))
        if row.point.tokens > 1024
        else row
        for row in rows
    ]

    def predicted(measurements: list[Measurement]) -> list[float]:
        profile = make_profile(measurements=tuple(measurements))
        points = extrapolated(sweep_of(profile), source_target(profile))
        assert [one.point.tokens for one in points] == [4096, 8192]
        return [one.predicted_s for one in points]

    assert predicted(poisoned) == predicted(rows)


def test_a_sweep_of_one_token_count_leaves_nothing_to_fit(
    make_profile: Factory, rows: list[Measurement]
) -> None:
    profile = make_profile(measurements=tuple(rows[:1]))

    assert left_out(sweep_of(profile), source_target(profile)) == []


def _point(measured_s: float, predicted_s: float) -> LeftOutPoint:
    point = Point(kernel="k", op="o", phase=Phase.DECODE, batch_size=1, seq_len=1)
    return LeftOutPoint(point=point, measured_s=measured_s, predicted_s=predicted_s)


def test_errors_are_relative_to_the_measured_time() -> None:
    points = [_point(10e-6, 11e-6), _point(10e-6, 8e-6), _point(5e-6, 10e-6)]

    assert errors(points).median_pct == pytest.approx(20)
    assert errors(points).p90_pct == pytest.approx(100)
    assert errors(points, least_s=10e-6).median_pct == pytest.approx(15)
    assert errors(points, least_s=10e-6).points == 2


def test_no_points_have_no_error() -> None:
    found = errors([])

    assert found.points == 0
    assert math.isnan(found.median_pct)
    assert math.isnan(found.p90_pct)


@given(st.lists(st.floats(0.2, 5.0), min_size=1, max_size=60))
def test_at_least_the_covered_share_of_points_lies_between_the_quantiles(
    ratios: list[float],
) -> None:
    points = [_point(ratio, 1.0) for ratio in ratios]
    low, high = ratio_quantiles(points, 0.8)

    inside = sum(low <= one.ratio <= high for one in points)
    assert inside >= 0.8 * len(points) - 1
    assert min(ratios) <= low <= high <= max(ratios)
