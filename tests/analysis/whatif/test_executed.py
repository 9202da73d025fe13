from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.merge import MergedPoint, merge_point
from dsprof.analysis.whatif.executed import Tiling, tile_area, tiling
from dsprof.harness.device import Datapath
from dsprof.harness.records import Measurement, Phase, Point, Status
from tests.conftest import Factory

SMS = 132
N, K = 7168, 16384
ROW = Measurement(
    point=Point(kernel="g", op="o", phase=Phase.DECODE, batch_size=1, seq_len=1),
    status=Status.OK,
    n=N,
    k=K,
)
MakeGemm = Callable[[int], Measurement]
Count = Callable[[Measurement, int, int], MergedPoint]


@pytest.fixture
def make_gemm(make_measurement: Factory) -> MakeGemm:
    """An FP8 GEMM (tokens, 7168, 16384), one byte an element."""

    def make(tokens: int) -> Measurement:
        row: Measurement = make_measurement(
            kernel="gemm",
            op="o_proj",
            phase=Phase.PREFILL,
            batch_size=1,
            seq_len=tokens,
            m=tokens,
            n=N,
            k=K,
            flops={Datapath.FP8_TENSOR: 2 * tokens * N * K},
            bytes_read=N * K + tokens * K,
            bytes_written=2 * tokens * N,
        )
        return row

    return make


@pytest.fixture
def count(make_counters: Factory) -> Count:
    def make(row: Measurement, rows: int, blocks: int) -> MergedPoint:
        """The GEMM executed in so many rows, by so many blocks."""
        launch = make_counters(
            label=row.point.label,
            grid=(blocks, 1, 1),
            tensor_fp8_flops=2.0 * rows * N * K,
        )
        return merge_point((launch,), row)

    return make


def test_without_counters_the_declared_flop_stand(make_gemm: MakeGemm) -> None:
    row = make_gemm(1)
    none = tiling([row], [], tile_area=None, sms=SMS)

    assert none.occupied_flops(row, 1e9) == 1e9


def test_one_token_costs_what_the_rows_of_a_tile_do(
    make_gemm: MakeGemm, count: Count
) -> None:
    rows = [make_gemm(tokens) for tokens in (1, 64, 128, 256)]
    seen = tiling(rows, [count(rows[0], 128, 132)], tile_area=None, sms=SMS)

    def rows_held(row: Measurement) -> float:
        declared = float(row.flops[Datapath.FP8_TENSOR])
        return seen.occupied_flops(row, declared) / (2 * N * K)

    assert rows_held(rows[0]) == pytest.approx(128)
    assert rows_held(rows[1]) == pytest.approx(128, rel=0.01)
    assert rows_held(rows[3]) == pytest.approx(256)


def test_multiprocessors_without_a_tile_wait_for_the_last_wave(
    make_gemm: MakeGemm, count: Count
) -> None:
    one, many = make_gemm(1), make_gemm(512)
    counted = [count(one, 128, 56)]
    area = tile_area(counted, SMS)
    assert area == pytest.approx(128 * 128)  # 128 rows and 7168 columns in 56 blocks

    seen = tiling([one, many], counted, tile_area=area, sms=SMS)
    declared = float(many.flops[Datapath.FP8_TENSOR])
    longer = 1 + 256 / K  # the start and the end of each tile
    # 4 x 56 = 224 tiles on 132 multiprocessors: two waves hold 264.
    assert seen.occupied_flops(many, declared) == pytest.approx(
        longer * declared * 264 / 224
    )


def test_a_kernel_of_several_tiles_has_no_one_tile(
    make_gemm: MakeGemm, count: Count
) -> None:
    counted = [
        count(make_gemm(1), 16, 112),
        count(make_gemm(128), 128, 112),
    ]

    assert tile_area(counted, SMS) is None
    assert tile_area(counted[:1], SMS) == pytest.approx(16 * 64)


def test_blocks_of_a_full_gpu_do_not_show_a_tile(
    make_gemm: MakeGemm, count: Count
) -> None:
    assert tile_area([count(make_gemm(1), 128, 132)], SMS) is None


def test_the_last_tile_of_each_expert_is_half_empty(
    make_gemm: MakeGemm, count: Count
) -> None:
    few = [
        replace(make_gemm(tokens), bytes_read=8 * tokens * N * K) for tokens in (1, 2)
    ]
    many = replace(make_gemm(4096), bytes_read=256 * N * K)
    # 8 experts, each with 64 rows for its one token
    seen = tiling([*few, many], [count(few[0], 8 * 64, 132)], tile_area=None, sms=SMS)
    declared = 2.0 * 256 * 128 * N * K  # 128 rows an expert

    assert seen.is_routed
    assert seen.occupied_flops(many, declared) == pytest.approx(
        declared + 2.0 * 256 * 32 * N * K
    )


@given(
    tokens=st.integers(1, 100_000),
    area=st.none() | st.floats(64, 65536),
    sms=st.integers(1, 1000),
)
def test_tiles_are_never_less_than_the_work(
    tokens: int, area: float | None, sms: int
) -> None:
    declared = 2.0 * tokens * N * K
    bare = Tiling(seen=(), is_routed=False, tile_area=area, sms=sms)

    assert bare.occupied_flops(ROW, declared) >= declared * (1 - 1e-6)
