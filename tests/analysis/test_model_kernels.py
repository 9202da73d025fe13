from dataclasses import replace

import pytest

from dsprof.analysis.model_kernels import (
    NO_COUNTERS,
    NOT_CAPTURED,
    OTHER_SIZES,
    model_kernels,
)
from dsprof.harness.ceiling import Ceiling, Duration, Pattern
from dsprof.harness.records import Cache
from tests.analysis.planted import (
    CAST,
    COMPUTES,
    DECODE,
    FLASH,
    GEMM,
    GEMV,
    OWN,
    Planted,
    counters_of,
    model_profile,
    timeline_of,
)
from tests.conftest import Factory


def test_kernels_are_ranked_by_time_and_have_their_counters(
    make_profile: Factory, make_counters: Factory
) -> None:
    profile = model_profile(make_profile, make_counters)
    top = model_kernels(profile, profile.timelines[0]).top.set_index("kernel_name")
    assert list(top["rank"]) == [1, 2, 3, 4, 5, 6]
    assert top.loc[GEMV, "share_pct"] == 50.0
    assert top.loc[GEMV, "mean_us"] == 25.0
    assert top.loc[GEMV, "class"] == "memory-bound"
    assert top.loc[GEMM, "class"] == "compute-bound"
    assert top.loc[GEMM, "datapath"] == "bf16_tensor"
    assert (top["covered_pct"].drop(OWN) == 100).all()


def test_a_kernel_without_counters_says_why(
    make_profile: Factory, make_counters: Factory
) -> None:
    kernels = (
        Planted(name=GEMV, total_us=50.0),
        Planted(name=GEMM, total_us=40.0, counters=None, gap="it waits for GPUs."),
        Planted(name=CAST, total_us=30.0, counters=None),
        Planted(name=FLASH, total_us=20.0),
    )
    profile = model_profile(make_profile, make_counters, kernels)
    elsewhere = [
        replace(one, grid=(7, 7, 7)) if one.kernel_name == FLASH else one
        for one in profile.counters
    ]
    profile = replace(profile, counters=tuple(elsewhere))
    found = model_kernels(profile, profile.timelines[0]).top
    assert list(found["why_missing"]) == [
        *("", "it waits for GPUs", NOT_CAPTURED, OTHER_SIZES),
    ]
    assert list(found["class"]) == ["memory-bound", "", "", ""]
    bare = replace(profile, counters=(), captures=())
    top = model_kernels(bare, bare.timelines[0]).top
    assert set(top["why_missing"]) == {NO_COUNTERS}
    assert top["covered_pct"].tolist() == [0, 0, 0, 0]
    assert top[["sm_pct", "spec_roof_pct", "headroom_pct"]].isna().all(axis=None)


def test_launches_of_another_range_or_of_a_point_are_not_joined(
    make_profile: Factory, make_counters: Factory
) -> None:
    profile = model_profile(make_profile, make_counters, DECODE[:1])
    timeline = profile.timelines[0]

    def counted(**changes: object) -> int:
        rows = tuple(replace(row, **changes) for row in profile.counters)  # type: ignore[arg-type]
        made = replace(profile, counters=rows)
        return len(model_kernels(made, timeline).counted)

    assert counted() == 1
    assert counted(ranges=(":prefill",)) == 0
    assert counted(ranges=("app:step", "app:decode")) == 1
    assert counted(ranges=()) == 1
    assert counted(label="gemv/x/decode/B=1,S=1") == 0


def test_cold_launches_count_and_of_those_the_latest(
    make_profile: Factory, make_counters: Factory
) -> None:
    profile = model_profile(make_profile, make_counters, DECODE[:1])
    (old,) = profile.counters
    rows = (
        replace(old, sm_pct=1.0),
        replace(old, sm_pct=2.0, cache=Cache.WARM),
        replace(old, sm_pct=3.0),
    )
    profile = replace(profile, counters=rows)
    top = model_kernels(profile, profile.timelines[0]).top
    assert list(top["sm_pct"]) == [3.0]
    assert list(top["cache"]) == ["cold"]


def test_coverage_is_of_the_time_of_the_profiled_configurations(
    make_profile: Factory, make_counters: Factory
) -> None:
    kernel = Planted(name=GEMV, total_us=100.0, grids={1: 0.6, 2: 0.3, 3: 0.1})
    profile = model_profile(make_profile, make_counters, (kernel,))
    two = replace(profile, counters=profile.counters[:2])
    row = model_kernels(two, two.timelines[0]).top.iloc[0]
    assert [row["configurations"], row["profiled"]] == [3, 2]
    assert row["covered_pct"] == pytest.approx(90.0)


def test_the_roof_is_of_the_unit_that_needs_longest(
    make_profile: Factory, make_counters: Factory
) -> None:
    ceilings = tuple(
        Ceiling(
            pattern=pattern,
            duration=Duration.BURST,
            value=value,
            seconds=0.05,
            work="",
            sm_clock_mhz=1980,
            memory_clock_mhz=3201,
            power_w=600.0,
            throttle_reasons=(),
        )
        for pattern, value in (
            (Pattern.HBM_READ, 4e12),
            (Pattern.BF16_DENSE, 8e14),
            (Pattern.FP32, 4e13),
        )
    )
    profile = model_profile(make_profile, make_counters, ceilings=ceilings)
    top = model_kernels(profile, profile.timelines[0]).top.set_index("kernel_name")
    # 3.6 MB a microsecond of 5 MB rated and 4 MB measured; 25 us a launch.
    assert top.loc[GEMV, "spec_roof_us"] == pytest.approx(18.0)
    assert top.loc[GEMV, "spec_roof_by"] == "DRAM bytes"
    assert top.loc[GEMV, "headroom_pct"] == pytest.approx(50 * 0.28)
    assert top.loc[GEMV, "burst_headroom_pct"] == pytest.approx(50 * 0.10)
    # 0.8 GFLOP a microsecond of 1 rated and 0.8 measured.
    assert top.loc[GEMM, "spec_roof_by"] == "bf16_tensor FLOP"
    assert top.loc[GEMM, "spec_roof_pct"] == pytest.approx(80.0)
    assert top.loc[GEMM, "burst_roof_pct"] == pytest.approx(100.0)


def test_tensor_work_without_a_count_leaves_a_note_at_its_roof(
    make_profile: Factory, make_counters: Factory
) -> None:
    kernel = Planted(
        name=GEMM, total_us=100.0, counters={**COMPUTES, "tensor_bf16_flops": None}
    )
    profile = model_profile(make_profile, make_counters, (kernel,))
    row = model_kernels(profile, profile.timelines[0]).top.iloc[0]
    assert "tensor FLOP were not counted" in row["roof_note"]
    assert row["spec_roof_by"] == "DRAM bytes"


def test_the_latency_flag_is_of_the_time_in_the_program(
    make_profile: Factory, make_counters: Factory
) -> None:
    def flag(total_us: float) -> bool:
        kernel = Planted(
            name=GEMV,
            total_us=total_us,
            instances=10,
            counters={**COMPUTES, "duration_ns": 1e6},
        )
        profile = model_profile(make_profile, make_counters, (kernel,))
        return bool(model_kernels(profile, profile.timelines[0]).top["latency"].iloc[0])

    assert [flag(40.0), flag(60.0)] == [True, False]


def test_the_whole_recording_and_a_recording_without_kernels_are_read(
    make_profile: Factory, make_counters: Factory
) -> None:
    profile = model_profile(
        make_profile, make_counters, timelines=(timeline_of(DECODE, ""),)
    )
    model = model_kernels(profile, profile.timelines[0])
    assert len(model.counted) == 5
    assert model.name == "whole recording"
    empty = replace(profile.timelines[0], kernels=())
    assert not len(model_kernels(profile, empty).top)


def test_more_rows_are_shown_where_more_were_captured(
    make_profile: Factory, make_counters: Factory
) -> None:
    kernels = [
        Planted(name=f"k{i}", total_us=100.0 - i, counters=None) for i in range(30)
    ]
    profile = model_profile(make_profile, make_counters, kernels)
    assert len(model_kernels(profile, profile.timelines[0]).top) == 20
    counted = replace(kernels[24], counters=COMPUTES)
    profile = replace(profile, counters=tuple(counters_of(make_counters, counted)))
    assert len(model_kernels(profile, profile.timelines[0]).top) == 25
