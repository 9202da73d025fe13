import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.merge import Level, counter_gaps, merge_point, merge_profile
from dsprof.analysis.merge_launches import merge_launches
from dsprof.harness.captures import Capture, Gap
from dsprof.harness.counters import Counters
from dsprof.harness.device import Datapath
from dsprof.harness.records import Cache, Status
from tests.conftest import Factory

LABEL = "rmsnorm/input_layernorm/decode/B=4,S=1"


def test_derived_values_are_the_quotients_their_docstrings_say(
    make_counters: Factory, make_measurement: Factory
) -> None:
    point = merge_point((make_counters(),), make_measurement())
    # The point: 2 * 7168 * 5 bytes read, 2 * 7168 * 4 written, (4 * 7168 + 3) * 4 FLOP.
    assert point.traffic_amplification == 100_000 / (71_680 + 57_344)
    assert point.read_amplification == 80_000 / 71_680
    assert point.write_shortfall_bytes == 57_344 - 20_000
    assert point.flop_inflation == 1
    assert point.intensity(Level.DRAM) == 114_700 / 100_000
    assert point.intensity(Level.L2) == 114_700 / 200_000
    assert point.memory_bytes_per_s == pytest.approx(100_000 / 10e-6)
    assert point.ncu_over_graph == 10 / 12  # cold: 12 us in the graph
    assert point.missing == {}


def test_time_under_ncu_is_held_against_graph_time_of_the_same_cache_state(
    make_counters: Factory, make_measurement: Factory
) -> None:
    warm = merge_point((make_counters(cache=Cache.WARM),), make_measurement())
    assert warm.ncu_over_graph == 10 / 10
    untold = merge_point((make_counters(cache=None),), make_measurement())
    assert untold.ncu_over_graph is None
    assert untold.missing["ncu_over_graph"] == "the point has no graph time"


def test_launches_of_a_point_add_up_and_weigh_by_their_time(
    make_counters: Factory, make_measurement: Factory, make_profile: Factory
) -> None:
    short = make_counters(
        launch=0, duration_ns=10_000.0, sm_pct=10.0, registers_per_thread=64.0,
        fp32_flops=100.0, stalls={"wait": 1.0, "drain": 3.0}, kernel_name="a",
        limit_registers_blocks=1.0, limit_warps_blocks=16.0,
    )  # fmt: skip
    long = make_counters(
        launch=1, duration_ns=30_000.0, sm_pct=50.0, registers_per_thread=32.0,
        fp32_flops=11.0, stalls={"wait": 5.0}, kernel_name="b",
        limit_registers_blocks=3.0, limit_warps_blocks=2.0,
    )  # fmt: skip
    profile = make_profile(counters=(short, long))
    (point,) = merge_profile(profile)
    assert point.name == LABEL
    assert point.kernel == "rmsnorm"
    assert point.measurement == make_measurement()
    assert point.launches == (short, long)
    assert point.duration_us == 40
    assert point.dram_bytes == 200_000
    assert point.executed_flops == {Datapath.FP32: 111}
    assert point.counters.sm_pct == (10 * 10 + 50 * 30) / 40
    assert point.counters.registers_per_thread == 64
    # A reason that one launch does not name has no mean.
    assert point.counters.stalls == {"wait": (1 * 10 + 5 * 30) / 40}
    # Occupancy limits are not averaged: they are the longest launch's.
    assert point.counters.occupancy_limiter == "warps"


def test_a_part_is_never_passed_off_as_the_whole(
    make_counters: Factory, make_measurement: Factory
) -> None:
    whole = make_counters(launch=0)
    part = make_counters(
        launch=1,
        dram_read_bytes=None,
        sm_pct=None,
        missing={"dram_read_bytes": "no data", "sm_pct": "n/a"},
    )
    point = merge_point((whole, part), make_measurement())
    assert point.dram_read_bytes is None
    assert point.read_amplification is None
    assert point.counters.sm_pct is None
    assert point.missing["dram_read_bytes"] == "missing in 1 of 2 launches: no data"
    assert point.missing["sm_pct"] == "missing in 1 of 2 launches: n/a"


def test_without_a_duration_launches_have_sums_but_no_means(
    make_counters: Factory,
) -> None:
    for unknown in (None, 0.0):
        launch = make_counters(duration_ns=unknown)
        merged = merge_launches((launch, launch))
        assert merged.dram_bytes == 200_000
        assert merged.sm_pct is None
        assert merged.missing["sm_pct"] == "no durations to weigh the launches by"


def test_flop_counted_on_different_units_are_kept_apart(
    make_counters: Factory,
) -> None:
    gemm = make_counters(tensor_bf16_flops=100.0, fp32_flops=1.0)
    twice = merge_launches((gemm, gemm))
    assert twice.executed_flops == {Datapath.BF16_TENSOR: 200, Datapath.FP32: 2}
    # The norm before it was not asked for tensor FLOP: those of both are not known.
    mixed = merge_launches((gemm, make_counters(fp32_flops=7.0)))
    assert mixed.executed_flops == {Datapath.FP32: 8}
    assert mixed.missing["tensor_bf16_flops"] == "missing in 1 of 2 launches"


def test_l1_bytes_are_the_larger_of_two_partial_views(
    make_counters: Factory, make_measurement: Factory
) -> None:
    loads = make_counters(launch=0, l1_bytes=150.0, l2_to_l1_bytes=100.0)
    bulk = make_counters(launch=1, l1_bytes=10.0, l2_to_l1_bytes=900.0)
    point = merge_point((loads, bulk), make_measurement())
    assert point.level_bytes(Level.L1) == 150 + 900


def test_l1_bytes_need_the_view_of_bulk_copies_where_a_chip_has_them(
    make_counters: Factory, make_measurement: Factory
) -> None:
    hopper = make_counters(l2_to_l1_bytes=None)
    ampere = make_counters(l2_to_l1_bytes=None, compute_capability=(8, 0))
    point = merge_point((hopper,), make_measurement())
    assert point.intensity(Level.L1) is None
    assert "bulk copies" in point.missing["intensity_l1"]
    older = merge_point((ampere,), make_measurement())
    assert older.level_bytes(Level.L1) == 150_000


def test_dram_bytes_are_rate_times_time_where_only_the_rate_is_there(
    make_counters: Factory, make_measurement: Factory
) -> None:
    launch = make_counters(
        dram_bytes=None, memory_bytes_per_s=2e12, missing={"dram_bytes": "n/a"}
    )
    point = merge_point((launch,), make_measurement())
    assert point.dram_bytes == pytest.approx(2e12 * 10e-6)
    assert "dram_bytes" not in point.missing


def test_work_is_held_against_the_unit_that_did_it(
    make_counters: Factory, make_measurement: Factory
) -> None:
    gemm = make_measurement(flops={Datapath.BF16_TENSOR: 1000})
    on_fp32 = make_counters(tensor_bf16_flops=0.0, fp32_flops=1010.0)
    point = merge_point((on_fp32,), gemm)
    assert point.datapath is Datapath.FP32
    assert point.flop_inflation == 1.01
    # An epilogue is no proof that FP32 units did the GEMM.
    epilogue = make_counters(tensor_bf16_flops=0.0, fp32_flops=400.0)
    point = merge_point((epilogue,), gemm)
    assert point.datapath is Datapath.BF16_TENSOR
    assert point.flop_inflation == 0
    uncounted = merge_point((make_counters(fp32_flops=1010.0),), gemm)
    assert uncounted.datapath is Datapath.BF16_TENSOR
    assert uncounted.flop_inflation is None
    assert uncounted.missing["flop_inflation"] == "bf16_tensor FLOP were not counted"


def test_an_imported_launch_is_a_row_of_its_own(
    make_counters: Factory, make_profile: Factory
) -> None:
    other = make_counters(label="", cache=None, ranges=())
    (first, second) = merge_profile(
        make_profile(counters=(other, other), measurements=())
    )
    assert first == second
    assert first.name == other.kernel_name
    assert first.kernel == "RMSNormKernel"
    assert first.measurement is None
    assert first.traffic_amplification is None
    assert first.missing["traffic_amplification"] == "the point has no analytic cost"


def test_fp32_flop_of_a_report_without_tensor_flop_are_not_taken_for_a_gemms(
    make_counters: Factory,
) -> None:
    busy = make_counters(label="", tensor_pipe_pct=60.0)
    assert merge_point((busy,), None).path_flops is None
    untold = make_counters(label="", tensor_pipe_pct=None)
    assert merge_point((untold,), None).path_flops is None
    idle = make_counters(label="", tensor_pipe_pct=2.94)
    assert merge_point((idle,), None).path_flops == 114_700
    counted = make_counters(label="", tensor_pipe_pct=60.0, tensor_bf16_flops=1e9)
    assert merge_point((counted,), None).path_flops == 1e9


def test_cache_states_and_points_are_rows_in_recorded_order(
    make_counters: Factory, make_profile: Factory
) -> None:
    warm = make_counters(cache=Cache.WARM)
    foreign = make_counters(label="linear/o_proj/decode/B=1,S=1")
    rows = merge_profile(make_profile(counters=(foreign, make_counters(), warm)))
    assert [(row.kernel, row.cache) for row in rows] == [
        ("linear", Cache.COLD),
        ("rmsnorm", Cache.COLD),
        ("rmsnorm", Cache.WARM),
    ]
    assert rows[0].measurement is None


def test_a_second_capture_of_a_point_replaces_the_first(
    make_counters: Factory, make_profile: Factory
) -> None:
    old = (make_counters(launch=0), make_counters(launch=1))
    new = make_counters(launch=0, duration_ns=7_000.0)
    (row,) = merge_profile(make_profile(counters=(*old, new)))
    assert row.launches == (new,)


def test_a_gap_is_told_until_a_capture_fills_it(
    make_counters: Factory, make_profile: Factory
) -> None:
    def capture(cache: Cache, *gaps: Gap) -> Capture:
        return Capture(
            cache=cache, command="ncu", ncu_version="2025.3", started="", wall_s=1.0,
            points=1, launches=1, max_passes=12, gaps=gaps,
        )  # fmt: skip

    filled = Gap(label=LABEL, status=Status.TIMEOUT, reason="hung")
    early = Gap(label="linear/x/decode/B=1,S=1", status=Status.FAILED, reason="early")
    late = replace(early, reason="late")
    profile = make_profile(
        counters=(make_counters(),),
        captures=(capture(Cache.COLD, filled, early), capture(Cache.COLD, late)),
    )
    assert counter_gaps(profile) == [late]
    warm = replace(profile, captures=(capture(Cache.WARM, filled),))
    assert counter_gaps(warm) == [filled]  # its counters are of the cold state


durations = st.floats(min_value=1, max_value=1e7)
percents = st.floats(min_value=0, max_value=120)
sizes = st.integers(min_value=0, max_value=2**50).map(float)
launch_values = st.lists(st.tuples(durations, percents, sizes), min_size=1, max_size=6)


def _launches(values: list[tuple[float, float, float]]) -> tuple[Counters, ...]:
    return tuple(
        Counters(kernel_name="k", launch=i, duration_ns=ns, sm_pct=pct, dram_bytes=size)
        for i, (ns, pct, size) in enumerate(values)
    )


@given(values=launch_values, data=st.data())
def test_sums_do_not_depend_on_the_order_of_launches(
    values: list[tuple[float, float, float]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(_launches(values)))
    ordered, other = merge_launches(_launches(values)), merge_launches(tuple(shuffled))
    assert ordered.dram_bytes == other.dram_bytes == sum(size for *_, size in values)
    assert ordered.duration_ns is not None
    assert other.duration_ns is not None
    assert math.isclose(ordered.duration_ns, other.duration_ns)


@given(values=launch_values)
def test_a_weighted_mean_lies_between_the_least_and_the_largest(
    values: list[tuple[float, float, float]],
) -> None:
    mean = merge_launches(_launches(values)).sm_pct
    assert mean is not None
    assert min(pct for _, pct, _ in values) <= mean <= max(pct for _, pct, _ in values)
