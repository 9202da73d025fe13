import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsprof.analysis.roofline import (
    Position,
    attainable_flops_per_s,
    by_bound,
    by_op,
    opportunities,
    place,
    place_all,
    ridge_points,
    share_of_time_pct,
)
from dsprof.harness.device import Datapath, DeviceSpec
from dsprof.harness.records import Bound, Cache, Measurement, Roof, Status
from tests.conftest import TOY_GPU, Factory

L2_BYTES = TOY_GPU.l2_bytes
# 1e12 bytes/s and 1e15 FLOP/s: a megabyte takes a microsecond.
ROOF = Roof(name="round", flops_per_s=1e15, bytes_per_s=1e12)


def test_the_memory_roof_holds_below_the_ridge_and_the_peak_above_it(
    toy_gpu: DeviceSpec,
) -> None:
    # 5 TB/s times 100 FLOP/byte is 500 TFLOP/s; the bf16 ridge is at 200.
    assert attainable_flops_per_s(toy_gpu, Datapath.BF16_TENSOR, 100) == 5e14
    assert attainable_flops_per_s(toy_gpu, Datapath.BF16_TENSOR, 300) == 1e15


@given(intensity=st.floats(0, 1e6), path=st.sampled_from(list(TOY_GPU.flops_per_s)))
def test_nothing_attainable_exceeds_either_roof(
    intensity: float, path: Datapath
) -> None:
    attainable = attainable_flops_per_s(TOY_GPU, path, intensity)
    assert attainable <= TOY_GPU.peak(path)
    assert attainable <= intensity * TOY_GPU.hbm_bytes_per_s


def test_ridge_points_are_peak_over_bandwidth_for_each_datapath(
    toy_gpu: DeviceSpec,
) -> None:
    assert ridge_points(toy_gpu) == {
        Datapath.FP8_TENSOR: 400,
        Datapath.BF16_TENSOR: 200,
        Datapath.FP32: 10,
    }


def memory_bound(
    make_measurement: Factory, make_timing: Factory, **us: float
) -> Measurement:
    """2 MB read and 1 MB written: 3 us at the roof."""
    row: Measurement = make_measurement(
        roof=ROOF,
        flops={Datapath.FP32: 3_000_000},
        bytes_read=2_000_000,
        bytes_written=1_000_000,
        warm=make_timing(median_us=us.get("warm_us", 6.0)),
        cold=make_timing(median_us=us.get("cold_us", 6.0)),
    )
    return row


def test_a_point_at_half_the_roofs_speed_has_a_share_of_50_percent(
    make_measurement: Factory, make_timing: Factory
) -> None:
    row = memory_bound(make_measurement, make_timing)
    placement = place(row, Cache.COLD, l2_bytes=L2_BYTES)
    assert placement is not None
    assert placement.share_pct == pytest.approx(50)
    assert placement.headroom_us == pytest.approx(3)
    assert placement.achieved_bytes_per_s == pytest.approx(5e11)
    assert placement.attainable_flops_per_s == pytest.approx(1e12)
    assert placement.position is Position.UNDER


def test_a_warm_point_faster_than_hbm_is_served_by_l2_and_not_clipped(
    make_measurement: Factory, make_timing: Factory
) -> None:
    row = memory_bound(make_measurement, make_timing, warm_us=1.5)
    placement = place(row, Cache.WARM, l2_bytes=L2_BYTES)
    assert placement is not None
    assert placement.share_pct == pytest.approx(200)
    assert placement.headroom_us == pytest.approx(-1.5)
    assert placement.position is Position.L2


def test_l2_does_not_explain_more_bytes_than_it_holds(
    make_measurement: Factory, make_timing: Factory
) -> None:
    row = memory_bound(make_measurement, make_timing, warm_us=1.5)
    # HBM moves 1.5 of 3 MB in 1.5 us; an L2 of 1 MB cannot have had the rest.
    placement = place(row, Cache.WARM, l2_bytes=1_000_000)
    assert placement is not None
    assert placement.position is Position.ABOVE


@pytest.mark.parametrize(
    ("cold_us", "position"),
    [(2.5, Position.WRITES_IN_L2), (1.5, Position.ABOVE)],
)
def test_a_cold_point_may_be_above_the_roof_by_what_it_wrote(
    make_measurement: Factory,
    make_timing: Factory,
    cold_us: float,
    position: Position,
) -> None:
    row = memory_bound(make_measurement, make_timing, cold_us=cold_us)
    placement = place(row, Cache.COLD, l2_bytes=L2_BYTES)
    assert placement is not None
    assert placement.position is position


def test_no_cache_explains_more_flop_than_the_peak(
    make_measurement: Factory, make_timing: Factory
) -> None:
    row = make_measurement(
        roof=ROOF,
        flops={Datapath.BF16_TENSOR: 10**10},
        bytes_read=1000,
        bytes_written=0,
        warm=make_timing(median_us=1.0),
    )
    placement = place(row, Cache.WARM, l2_bytes=L2_BYTES)
    assert placement is not None
    assert placement.position is Position.ABOVE


def test_a_kernel_without_flop_is_placed_by_its_bandwidth(
    make_measurement: Factory,
) -> None:
    row = make_measurement(flops={}, roof=ROOF)
    placement = place(row, Cache.WARM, l2_bytes=L2_BYTES)
    assert placement is not None
    assert placement.attainable_flops_per_s == 0
    assert placement.share_pct > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"status": Status.FAILED},
        {"roof": None},
        {"bytes_read": 0, "bytes_written": 0},
    ],
)
def test_a_row_without_time_roof_or_traffic_has_no_place(
    make_measurement: Factory, changes: dict[str, object]
) -> None:
    row = make_measurement(**changes)
    assert place(row, Cache.WARM, l2_bytes=L2_BYTES) is None
    assert place_all([row], Cache.WARM, l2_bytes=L2_BYTES) == []


def test_groups_by_bound_hold_timed_points_only(make_measurement: Factory) -> None:
    memory = make_measurement(op="memory")
    compute = make_measurement(op="compute", bytes_read=1, bytes_written=1)
    failed = make_measurement(status=Status.FAILED)
    assert by_bound([memory, compute, failed]) == {
        Bound.COMPUTE: [compute],
        Bound.MEMORY: [memory],
    }


def test_an_ops_points_come_with_the_least_tokens_first(
    make_measurement: Factory,
) -> None:
    large, small = (make_measurement(batch_size=size) for size in (64, 2))
    assert by_op([large, small]) == {("rmsnorm", "input_layernorm"): [small, large]}


def test_opportunities_rank_by_time_above_the_roof(
    make_measurement: Factory, make_timing: Factory
) -> None:
    slow, quick, beyond = (
        memory_bound(make_measurement, make_timing, warm_us=time)
        for time in (9.0, 4.0, 2.0)
    )
    placed = place_all([quick, beyond, slow], Cache.WARM, l2_bytes=L2_BYTES)
    ranked = opportunities(placed)
    assert [placement.measurement for placement in ranked] == [slow, quick]


def test_a_share_of_no_time_is_not_a_number() -> None:
    assert share_of_time_pct([1, 1], [1, 1, 2]) == 50
    assert math.isnan(share_of_time_pct([], []))


RATED = Roof(name="spec", flops_per_s=1e15, bytes_per_s=1e12)
MEASURED = Roof(name="burst", flops_per_s=8e14, bytes_per_s=9e11)


@pytest.mark.parametrize(
    ("time_us", "position"),
    [
        (12.6, Position.UNDER),  # 12.5 us at the measured roof
        (12.4, Position.UNDER_SPEC),
        (10.1, Position.UNDER_SPEC),  # 10 us at the rated one
        (9.9, Position.ABOVE),
    ],
)
def test_between_the_measured_and_the_rated_roof_nothing_need_be_wrong(
    make_measurement: Factory,
    make_timing: Factory,
    time_us: float,
    position: Position,
) -> None:
    row = make_measurement(
        roof=RATED,
        flops={Datapath.BF16_TENSOR: 10**10},
        bytes_read=1000,
        bytes_written=0,
        cold=make_timing(median_us=time_us),
    )
    placement = place(row, Cache.COLD, l2_bytes=L2_BYTES, roof=MEASURED)
    assert placement is not None
    assert placement.position is position
    assert placement.measurement.roof is MEASURED
    assert placement.share_pct == pytest.approx(100 * 12.5 / time_us)


def test_l2_explains_a_measured_roof_that_is_exceeded_as_it_does_a_rated_one(
    make_measurement: Factory, make_timing: Factory
) -> None:
    row = memory_bound(make_measurement, make_timing, warm_us=3.1, cold_us=3.1)
    # 3.33 us at the measured 0.9 TB/s, 3 us at the rated 1 TB/s.
    warm, cold = (
        place(row, cache, l2_bytes=L2_BYTES, roof=MEASURED) for cache in Cache
    )
    assert warm is not None
    assert cold is not None
    assert (warm.position, cold.position) == (Position.L2, Position.WRITES_IN_L2)
    unwritten = make_measurement(
        roof=ROOF,
        flops={},
        bytes_read=3_000_000,
        bytes_written=0,
        cold=make_timing(median_us=3.1),
    )
    placement = place(unwritten, Cache.COLD, l2_bytes=L2_BYTES, roof=MEASURED)
    assert placement is not None
    assert placement.position is Position.UNDER_SPEC


# The factories make a new value each time, so examples cannot meet.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    time_us=st.floats(0.01, 1000),
    factor=st.floats(0.1, 1),
    flops=st.integers(0, 10**12),
)
def test_a_share_is_never_clipped_and_each_one_above_100_has_a_state(
    make_measurement: Factory,
    make_timing: Factory,
    time_us: float,
    factor: float,
    flops: int,
) -> None:
    timing = make_timing(median_us=time_us)
    row = make_measurement(
        roof=ROOF, flops={Datapath.FP32: flops}, warm=timing, cold=timing
    )
    lower = Roof(
        name="lower",
        flops_per_s=factor * ROOF.flops_per_s,
        bytes_per_s=factor * ROOF.bytes_per_s,
    )
    for cache in Cache:
        own = place(row, cache, l2_bytes=L2_BYTES)
        other = place(row, cache, l2_bytes=L2_BYTES, roof=lower)
        assert own is not None
        assert other is not None
        assert other.share_pct == pytest.approx(own.share_pct / factor)
        assert (other.share_pct > 100) == (other.position is not Position.UNDER)
        if other.position is Position.UNDER_SPEC:
            assert own.position is Position.UNDER
