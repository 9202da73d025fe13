import pandas as pd
import pytest

from dsprof.analysis.counter_columns import SM
from dsprof.analysis.counter_findings import (
    class_findings,
    duration_findings,
    histogram_finding,
    kernel_counts,
    launch_findings,
    mean_findings,
    traffic_findings,
)
from dsprof.analysis.findings import Finding
from dsprof.analysis.merged_frame import merged_frame
from dsprof.analysis.shown_rows import shown_rows
from dsprof.harness.device import DeviceSpec
from dsprof.harness.profile import Profile
from tests.analysis.counted import counted_profile, gemm, point_of
from tests.conftest import Factory


def by_title(found: list[Finding]) -> dict[str, Finding]:
    return {one.title: one for one in found}


@pytest.fixture
def rows(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> pd.DataFrame:
    """A memory-bound norm, an idle one and a compute-bound GEMM, cold and warm."""
    profile = counted_profile(
        make_profile,
        point_of(make_measurement, make_counters, batch_size=4),
        point_of(
            make_measurement,
            make_counters,
            batch_size=1,
            counters={"memory_pct": 5.0, "dram_pct": 5.0, "waves_per_sm": 0.1},
            warm={"sm_pct": 50.0},
        ),
        gemm(make_measurement, make_counters),
    )
    return shown_rows(merged_frame(profile))


def test_shares_of_time_and_reasons_for_balance_are_counted(rows: pd.DataFrame) -> None:
    found = by_title(class_findings(rows))
    # 12 us each: a third of the summed cold time a point.
    assert found["Share of the summed time, cold L2"].detail == (
        "compute-bound 33.3 %, memory-bound 33.3 %, balanced 33.3 %"
    )
    assert found["Why balanced, cold L2"].detail == (
        "1 below the floor on both sides, 0 with both sides near parity, "
        "0 in conflict, of 1"
    )
    assert found["Why balanced, warm L2"].detail.endswith("1 in conflict, of 1")
    assert "Conflict: the busy side is not the side of the intensity" not in found
    assert found["Another class warm than cold"].detail == "0 of 3 points"


def test_the_row_nearest_to_another_class_is_named(rows: pd.DataFrame) -> None:
    nearest = by_title(class_findings(rows))["Nearest to another class"]
    cold = rows[rows["cache"] == "cold"]
    assert nearest.rows == tuple(cold.nsmallest(1, "margin")["name"])


def test_means_name_the_class_with_the_most_and_the_least(rows: pd.DataFrame) -> None:
    found = by_title(mean_findings(rows))["SM throughput, cold L2"]
    assert found.detail.startswith("highest of compute-bound points, 80.0 % of the SM")


def test_a_histograms_sentence_has_median_range_and_outliers() -> None:
    values = [10.0] * 9 + [11.0] * 9 + [90.0]
    frame = pd.DataFrame(
        {
            "cache": "cold",
            "kernel": [f"k{i}" for i in range(18)] + ["odd"],
            "sm_pct": values,
        }
    )
    detail = histogram_finding(frame, SM).detail
    assert detail == (
        "cold median 11.0, middle half 10.0 to 11.0, all 10.0 to 90.0 (odd), "
        "1 outlier: odd 1"
    )
    assert histogram_finding(frame[:18], SM).detail.endswith("no outlier")
    assert histogram_finding(frame[:0], SM).detail == "no row has it"


def test_exact_flop_is_counted_and_an_unexplained_ratio_is_named(
    make_profile: Factory,
    make_measurement: Factory,
    make_counters: Factory,
    toy_gpu: DeviceSpec,
) -> None:
    odd = gemm(make_measurement, make_counters, op="odd")
    odd = (
        odd[0],
        [
            make_counters(
                label=odd[0].point.label, tensor_bf16_flops=1.037e10, fp32_flops=0.0
            )
        ],
    )
    exact = gemm(make_measurement, make_counters)
    rows = shown_rows(merged_frame(counted_profile(make_profile, exact, odd)))
    found = by_title(traffic_findings(rows, toy_gpu))
    assert found["Executed over analytic FLOP"].detail == (
        "1.00 at 1 of 2 points whose FLOP were counted, 1.00 to 1.04 in all"
    )
    assert found["Other ratios"].rows == ("linear/odd/prefill/B=1,S=1024",)


def test_traffic_of_points_far_larger_than_l2_is_held_to_its_limits(
    make_profile: Factory,
    make_measurement: Factory,
    make_counters: Factory,
    toy_gpu: DeviceSpec,
) -> None:
    # L2 has 50 MB, so 4 x L2 is 200 MB.
    size = {"bytes_read": 10**9, "bytes_written": 10**9}
    reads = (1.02e9, 1.3e9)
    points = [
        point_of(
            make_measurement,
            make_counters,
            op=f"op{i}",
            **size,
            counters={"dram_read_bytes": read, "dram_write_bytes": 0.97e9},
        )
        for i, read in enumerate(reads)
    ]
    rows = shown_rows(merged_frame(counted_profile(make_profile, *points)))
    found = next(
        one
        for one in traffic_findings(rows, toy_gpu)
        if one.title.startswith("Kernels off the tensor cores, cold, at least 4 times")
    )
    assert found.detail == (
        "DRAM reads over compulsory reads 1.02 to 1.30, median 1.16, at 2 points, 1 of "
        "them outside 0.95 to 1.10; at most 30.0 MB of writes not seen by DRAM, where "
        "L2 holds 50.0 MB"
    )
    assert found.rows == ("rmsnorm/op1/decode/B=4,S=1",)


def test_durations_and_launches_are_summed_up(rows: pd.DataFrame) -> None:
    (longest,) = duration_findings(rows)
    assert "100 % of the summed time under ncu" in longest.detail
    assert "takes 3.00 times the median" in longest.detail
    found = by_title(launch_findings(rows))
    # Norms run 10 us under ncu and 12 us cold in a graph; the GEMM 30 us.
    assert found["Time under ncu over graph time, cold L2"].detail == (
        "median 0.833, 0.833 to 2.50; most"
    )
    assert found["Less than one wave of blocks"].detail == "1 of 3 points, rmsnorm 1"
    assert "Longest wait of a warp" not in found


def test_no_row_gives_no_sentence(make_profile: Factory, toy_gpu: DeviceSpec) -> None:
    profile: Profile = make_profile(measurements=())
    rows = shown_rows(merged_frame(profile))
    assert class_findings(rows) == []
    assert mean_findings(rows) == []
    assert duration_findings(rows) == []
    assert traffic_findings(rows, toy_gpu) == []
    assert launch_findings(rows) == []


def test_only_the_first_kernels_are_counted_by_name() -> None:
    rows = pd.DataFrame({"kernel": [f"k{i}" for i in range(9)] + ["k8"]})
    assert kernel_counts(rows).startswith("k8 2, k0 1, ")
    assert kernel_counts(rows).endswith(" and 3 more kernels")
