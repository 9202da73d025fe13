"""What the recorded H200 counters have to show, whatever the report says of them."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dsprof.analysis.amplification import LEAST, MOST
from dsprof.analysis.inflation import NOT_EXPLAINED
from dsprof.analysis.merge import MergedPoint, merge_profile
from dsprof.analysis.merged_frame import merged_frame
from dsprof.analysis.names import UNKNOWN_LIBRARY, name_kernel
from dsprof.analysis.sol_rule import SolClass
from dsprof.analysis.tiles import gemm_tile
from dsprof.harness.ceiling import Duration, Pattern
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Phase, Point, Status
from dsprof.harness.store import load_profile

if TYPE_CHECKING:
    import pandas as pd

RECORDED = Path(__file__).parents[2] / "profiles/h200-sxm/2026-11-21-counters"
SIZES = {
    (Phase.DECODE, 1, 1),
    (Phase.DECODE, 128, 1),
    (Phase.PREFILL, 1, 1024),
    (Phase.PREFILL, 8, 2048),
}
KV_LENS = {None, 4096}
MOST_PASSES = 12
STREAMING = {
    "rmsnorm",
    "fused_add_rmsnorm",
    "silu_and_mul",
    "concat_mla_k",
    "apply_rope_with_cos_sin_cache_inplace",
}
# What a burst has to reach of 4.8 TB/s, 989.5 and 1979 TFLOP/s.
BURST_FLOORS = {
    Pattern.HBM_READ: 4.5e12,
    Pattern.BF16_DENSE: 650e12,
    Pattern.FP8_DENSE: 1200e12,
}


@pytest.fixture(scope="module")
def recorded() -> Profile:
    return load_profile(RECORDED)


@pytest.fixture(scope="module")
def frame(recorded: Profile) -> "pd.DataFrame":
    return merged_frame(recorded)


def is_asked_for(point: Point) -> bool:
    size = (point.phase, point.batch_size, point.seq_len)
    return size in SIZES and point.kv_len in KV_LENS


def test_every_kernel_that_was_timed_at_these_sizes_has_counters_cold_and_warm(
    recorded: Profile, frame: "pd.DataFrame"
) -> None:
    timed = {
        (row.point.label, cache.value)
        for row in recorded.measurements
        for cache in Cache
        if row.status is Status.OK and is_asked_for(row.point)
    }
    counted = set(zip(frame["name"], frame["cache"], strict=True))
    assert len({name.partition("/")[0] for name, _ in timed}) > 30
    assert counted == timed
    assert [capture.gaps for capture in recorded.captures] == [(), ()]
    # A kernel that only moves has no FLOP in its formula to compare with.
    assert set(frame["missing"]) == {"", "flop_inflation: the cost is 0 FLOP"}


def test_no_kernel_was_replayed_in_more_passes_than_promised(
    recorded: Profile,
) -> None:
    passes = [launch.passes for launch in recorded.counters]
    assert None not in passes
    assert max(count or 0 for count in passes) <= MOST_PASSES
    assert max(capture.max_passes for capture in recorded.captures) <= MOST_PASSES


def test_tensor_flop_are_exactly_the_formulas_where_the_tile_divides_the_shape(
    recorded: Profile,
) -> None:
    divided = [point for point in merge_profile(recorded) if tile_divides(point)]
    assert len(divided) > 100
    assert {point.kernel for point in divided} == {
        *("bmm", "bmm_fp8", "fp8_blockwise_scaled_mm", "fp8_scaled_mm"),
        *("linear", "lm_head"),
    }
    for point in divided:
        assert point.flop_inflation == pytest.approx(1, abs=1e-9), point.name


def tile_divides(point: MergedPoint) -> bool:
    """Whether a GEMM's sizes are whole tiles and clusters; a split k is left out."""
    row = point.measurement
    tiles = [gemm_tile(launch.kernel_name) for launch in point.launches]
    known = [tile for tile in tiles if tile]
    if row is None or not row.k or row.category == "MoE" or not known:
        return False
    for tile in known:
        first, second = tile.first * tile.cluster[0], tile.second * tile.cluster[1]
        of_n, of_m = (first, second) if tile.first_is_n else (second, first)
        if tile.splits_k or row.m % of_m or row.n % of_n or row.k % tile.k:
            return False
    return True


def test_bmm_fp8_of_128_tokens_executes_two_to_the_31_flop(
    frame: "pd.DataFrame",
) -> None:
    # 2 * 128 heads * 128 tokens * 512 * 128 = 2,147,483,648
    name = "bmm_fp8/q_nope_*_w_kc/decode/B=128,S=1"
    executed = frame.loc[frame["name"] == name, "executed_flops"]
    assert list(executed) == [2_147_483_648, 2_147_483_648]


def test_every_other_flop_ratio_is_explained(frame: "pd.DataFrame") -> None:
    others = frame[(frame["flop_inflation"] - 1).abs() > 1e-9]
    assert len(others) > 100
    assert unexplained(others, "inflation_reason") == []


def test_every_amplification_is_explained(frame: "pd.DataFrame") -> None:
    ratios = frame["traffic_amplification"]
    others = frame[(ratios < LEAST) | (ratios > MOST)]
    assert len(others) > 100
    assert unexplained(others, "amplification_reason") == []


def unexplained(rows: "pd.DataFrame", reasons: str) -> list[str]:
    """Names of the rows that have no reason, or one that says it is none."""
    return [
        name
        for name, reason in zip(rows["name"], rows[reasons], strict=True)
        if not reason or NOT_EXPLAINED in reason
    ]


def test_streaming_kernels_read_what_they_must_and_write_all_but_an_l2(
    recorded: Profile, frame: "pd.DataFrame"
) -> None:
    l2_bytes = recorded.device.l2_bytes
    streamed = frame[
        frame["kernel"].isin(STREAMING)
        & (frame["cache"] == Cache.COLD.value)
        & (frame["bytes"] >= 4 * l2_bytes)
    ]
    assert set(streamed["kernel"]) == STREAMING
    assert streamed["read_amplification"].between(0.95, 1.10).all()
    assert (streamed["write_shortfall_bytes"] <= l2_bytes).all()


def test_every_row_has_the_class_that_ncu_would_give(frame: "pd.DataFrame") -> None:
    assert set(frame["nvidia_class"]) <= {sol.value for sol in SolClass}
    assert len(set(frame["nvidia_class"])) > 2


def test_the_library_of_every_recorded_kernel_is_known(recorded: Profile) -> None:
    names = {launch.kernel_name for launch in recorded.counters}
    assert len(names) > 70
    unknown = {name for name in names if name_kernel(name).library == UNKNOWN_LIBRARY}
    assert unknown == set()


def test_a_burst_comes_near_the_roofs_of_the_data_sheet(recorded: Profile) -> None:
    device = recorded.device
    bursts = {
        ceiling.pattern: ceiling.value
        for ceiling in recorded.ceilings
        if ceiling.duration is Duration.BURST
    }
    for pattern, floor in BURST_FLOORS.items():
        assert bursts[pattern] >= floor, pattern
    assert bursts[Pattern.HBM_READ] <= device.hbm_bytes_per_s
    assert all(math.isfinite(value) for value in bursts.values())
