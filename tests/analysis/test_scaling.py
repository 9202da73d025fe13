import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.frames import measurements_frame
from dsprof.analysis.scaling import (
    Series,
    Size,
    exponent,
    floor,
    phase_series,
    roof_exponent,
    token_series,
)
from dsprof.harness.records import Cache, Phase, Status
from tests.conftest import Factory


def size(tokens: int, warm_us: float, roof_us: float = 1.0) -> Size:
    return Size(
        tokens=tokens,
        flops=tokens,
        total_bytes=tokens,
        warm_us=warm_us,
        cold_us=math.nan,
        roof_us=roof_us,
    )


def series(*times_us: float) -> Series:
    sizes = (size(2**power, time_us) for power, time_us in enumerate(times_us))
    return Series(kernel="rmsnorm", op="norm", detail="", sizes=tuple(sizes))


@given(
    e=st.floats(-2, 2),
    scale=st.floats(0.1, 100),
    first=st.integers(1, 64),
    factor=st.integers(2, 64),
)
def test_the_exponent_of_a_power_law_is_its_power(
    e: float, scale: float, first: int, factor: int
) -> None:
    last = first * factor
    low = size(first, scale * first**e, roof_us=first)
    high = size(last, scale * last**e, roof_us=last)
    assert exponent(low, high, Cache.WARM) == pytest.approx(e, abs=1e-9)
    assert roof_exponent(low, high) == pytest.approx(1)


def test_an_exponent_needs_two_timed_sizes() -> None:
    assert math.isnan(exponent(size(1, 5), size(1, 5), Cache.WARM))
    assert math.isnan(exponent(size(1, 5), size(2, 5), Cache.COLD))


def test_the_floor_is_left_where_time_exceeds_it_for_good() -> None:
    found = floor(series(2.0, 2.1, 2.6, 2.1, 3.0, 6.0), Cache.WARM)
    assert found is not None
    # 2.6 at 4 tokens is a blip: at 8 tokens the time is back at the floor.
    assert (found.time_us, found.left_at_tokens) == (2.0, 16)


def test_a_flat_series_never_leaves_its_floor() -> None:
    found = floor(series(2.0, 2.1, 2.2), Cache.WARM)
    assert found is not None
    assert found.left_at_tokens is None
    assert found.last_tokens == 4


def test_a_series_without_a_time_has_no_floor() -> None:
    assert floor(series(1.0), Cache.COLD) is None


def test_points_of_equal_tokens_and_work_are_one_size_at_their_median(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> None:
    work = {"phase": Phase.PREFILL, "bytes_read": 100, "bytes_written": 0}
    rows = tuple(
        make_measurement(
            batch_size=batch,
            seq_len=256 // batch,
            warm=make_timing(median_us=time_us),
            **work,
        )
        for batch, time_us in ((1, 10.0), (2, 30.0), (4, 11.0))
    )
    (found,) = token_series(measurements_frame(make_profile(measurements=rows)))
    assert found.detail == ""
    assert [(one.tokens, one.warm_us) for one in found.sizes] == [(256, 11.0)]


def test_an_op_whose_work_is_not_set_by_tokens_is_split_by_what_sets_it(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = tuple(
        make_measurement(kv_len=kv_len, bytes_read=kv_len) for kv_len in (1024, 4096)
    )
    found = token_series(measurements_frame(make_profile(measurements=rows)))
    assert [one.detail for one in found] == ["decode kv=1024", "decode kv=4096"]


def test_a_phase_has_its_own_points_and_untimed_ones_are_left_out(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = (
        make_measurement(batch_size=1),
        make_measurement(batch_size=8, status=Status.FAILED),
        make_measurement(phase=Phase.PREFILL, batch_size=1, seq_len=128),
        make_measurement(phase=Phase.PREFILL, batch_size=2, seq_len=128),
    )
    frame = measurements_frame(make_profile(measurements=rows))
    (decode,) = phase_series(frame, Phase.DECODE, None)
    (prefill,) = phase_series(frame, Phase.PREFILL, 1)
    assert [one.tokens for one in decode.sizes] == [1]
    assert [one.tokens for one in prefill.sizes] == [128]
