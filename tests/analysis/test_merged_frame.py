import math
import time

import pytest

from dsprof.analysis.merged_frame import COLUMNS, NOT_CAPTURED, merged_frame
from dsprof.harness.captures import Capture, Gap
from dsprof.harness.device import Datapath
from dsprof.harness.records import Cache, Status
from tests.conftest import Factory

LABEL = "rmsnorm/input_layernorm/decode/B=4,S=1"


def test_every_column_is_there_with_its_type_in_a_profile_without_counters(
    make_profile: Factory, make_counters: Factory
) -> None:
    empty = merged_frame(make_profile())
    full = merged_frame(make_profile(counters=(make_counters(),)))
    assert list(empty.columns) == list(full.columns) == list(COLUMNS)
    assert len(set(COLUMNS)) == len(COLUMNS)
    assert empty.empty
    assert list(empty.dtypes) == list(full.dtypes)


def test_a_row_is_a_point_with_its_counters_time_and_cost(
    make_profile: Factory, make_counters: Factory
) -> None:
    stalls = {"selected": 11.0, "long_scoreboard": 6.0, "wait": 3.0}
    frame = merged_frame(make_profile(counters=(make_counters(stalls=stalls),)))
    (row,) = frame.to_dict("records")
    expected = {
        "name": LABEL, "kernel": "rmsnorm", "op": "input_layernorm",
        "phase": "decode", "batch_size": 4, "seq_len": 1, "tokens": 4,
        "category": "Norm", "source": "sgl-kernel", "dtype": "bfloat16",
        "datapath": "fp32", "cache": "cold", "launches": 1,
        "duration_us": 10.0, "graph_us": 12.0, "ncu_over_graph": 10 / 12,
        "flops": 114_700, "bytes": 129_024, "executed_flops": 114_700,
        "flop_inflation": 1.0, "dram_bytes": 100_000, "l2_bytes": 200_000,
        "dram_read_bytes": 80_000, "dram_write_bytes": 20_000, "l1_bytes": 150_000,
        "traffic_amplification": 100_000 / 129_024,
        "read_amplification": 80_000 / 71_680, "write_shortfall_bytes": 37_344,
        "intensity_analytic": 114_700 / 129_024, "intensity_dram": 1.147,
        "intensity_l2": 0.5735, "intensity_l1": 114_700 / 150_000,
        "flops_per_s_analytic": 114_700 / 12e-6,
        "flops_per_s_measured": 114_700 / 12e-6,
        "ridge_flop_per_byte": 10, "peak_flops_per_s": 5e13,
        "memory_gb_per_s": 10, "sm_clock_mhz": 1900, "dram_clock_mhz": 3200,
        "occupancy_limiter": "registers, warps", "registers_per_thread": 32,
        "shared_memory_bytes": 1152, "waves_per_sm": 2, "passes": 10,
        "top_stall": "long_scoreboard", "top_stall_share_pct": 30,
        "class": "memory-bound", "limiter": "dram", "conflict": False,
        "latency": False, "confidence": "high", "basis": "counters",
        "nvidia_class": "Latency Issue", "inflation_reason": "", "missing": "",
    }  # fmt: skip
    for column, value in expected.items():
        same = pytest.approx(value) if isinstance(value, float) else value
        assert row[column] == same, column
    assert row["margin"] == pytest.approx(40 / 30 - 1)  # M would fall under the floor
    assert row["evidence"].startswith("C = sm_pct 10.0 %, M = memory_pct 40.0 %; AI")
    assert row["amplification_reason"].endswith(
        "writes left in L2: DRAM took 20 KB of 57.3 KB written"
    )


def test_percentages_are_the_launchs_own(
    make_profile: Factory, make_counters: Factory
) -> None:
    launch = make_counters()
    (row,) = merged_frame(make_profile(counters=(launch,))).to_dict("records")
    for column in COLUMNS:
        if column.endswith("_pct") and column != "top_stall_share_pct":
            assert row[column] == getattr(launch, column), column


def test_an_imported_launch_has_what_its_report_had(
    make_profile: Factory, make_counters: Factory
) -> None:
    launch = make_counters(
        label="", cache=None, l1_hit_pct=None, missing={"l1_hit_pct": "no data"}
    )
    frame = merged_frame(make_profile(measurements=(), counters=(launch,)))
    (row,) = frame.to_dict("records")
    assert row["name"] == row["kernel_names"] == launch.kernel_name
    assert row["kernel"] == "RMSNormKernel"
    assert row["op"] == row["phase"] == row["category"] == row["cache"] == ""
    assert math.isnan(row["flops"])
    assert math.isnan(row["l1_hit_pct"])
    assert "l1_hit_pct: no data" in row["missing"]
    assert "traffic_amplification: the point has no analytic cost" in row["missing"]
    # Without a graph time, the rate is over the time under ncu.
    assert row["flops_per_s_measured"] == pytest.approx(114_700 / 10e-6)
    assert math.isnan(row["flops_per_s_analytic"])
    assert frame["batch_size"].isna().all()


def test_kernel_names_of_a_point_are_told_once_each(
    make_profile: Factory, make_counters: Factory
) -> None:
    names = ("gemm", "reduce", "gemm")
    launches = tuple(
        make_counters(launch=i, kernel_name=name) for i, name in enumerate(names)
    )
    (row,) = merged_frame(make_profile(counters=launches)).to_dict("records")
    assert row["kernel_names"] == "gemm + reduce"
    assert row["launches"] == 3


def test_timed_points_without_counters_can_be_added_with_their_analytic_class(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    gap = Gap(label=LABEL, status=Status.TIMEOUT, reason="hung under ncu")
    capture = Capture(
        cache=Cache.WARM, command="ncu", ncu_version="2025.3", started="", wall_s=1.0,
        points=1, launches=1, max_passes=12, gaps=(gap,),
    )  # fmt: skip
    profile = make_profile(
        measurements=(
            make_measurement(),
            make_measurement(batch_size=8, warm=None),
            make_measurement(batch_size=16, status=Status.FAILED),
        ),
        counters=(make_counters(),),
        captures=(capture,),
    )
    assert len(merged_frame(profile)) == 1
    frame = merged_frame(profile, analytic=True)
    rows = frame[["batch_size", "cache", "launches", "basis", "class", "missing"]]
    assert rows.to_numpy().tolist() == [
        [4, "cold", 1, "counters", "memory-bound", ""],
        [4, "warm", 0, "analytic only", "memory-bound", "counters: hung under ncu"],
        [8, "cold", 0, "analytic only", "memory-bound", f"counters: {NOT_CAPTURED}"],
    ]
    assert list(frame.dtypes) == list(merged_frame(profile).dtypes)


def test_a_datapath_that_the_device_lacks_has_no_ridge(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    row = make_measurement(flops={Datapath.FP4_TENSOR: 10})
    frame = merged_frame(make_profile(measurements=(row,), counters=(make_counters(),)))
    assert frame["ridge_flop_per_byte"].isna().all()
    assert frame["basis"].tolist() == ["utilisation only"]


def test_a_thousand_launches_become_a_frame_in_under_two_seconds(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    rows = tuple(make_measurement(batch_size=1 + i) for i in range(500))
    launches = tuple(
        make_counters(label=row.point.label, launch=i) for row in rows for i in range(2)
    )
    profile = make_profile(measurements=rows, counters=launches)
    merged_frame(make_profile(counters=launches[:1]))  # imports are not the frame's
    start = time.perf_counter()
    assert len(merged_frame(profile)) == 500
    assert time.perf_counter() - start < 2
