import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.tiles import (
    MOST_SPLITS,
    Tile,
    attention_tile,
    gemm_tile,
    paddings,
)

SIZE = st.integers(min_value=1, max_value=20_000)
SIDE = st.sampled_from([8, 16, 64, 96, 128, 192, 256])


NAMED = {
    "nvjet_sm90_tst_192x192_64x4_2x1_v_bz_coopB_TNN": Tile(
        first=192, second=192, k=64, cluster=(2, 1)
    ),
    "nvjet_sm90_tst_64x8_64x16_4x1_v_bz_splitK_TNT": Tile(
        first=64, second=8, k=64, cluster=(4, 1), splits_k=True
    ),
    "nvjet_tst_192x208_64x4_1x1_h_bz_coopB_bias_TNT": Tile(first=192, second=208, k=64),
    "sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize128x128x64_warpgroupsize1x1x1_"
    "execute_segment_k_off_kernel__5x_cublas": Tile(first=128, second=128, k=64),
    "void cutlass::Kernel2<cutlass_80_simt_sgemm_128x32_8x5_nn_align1>("
    "cutlass_80_simt_sgemm_128x32_8x5_nn_align1::Params)": Tile(
        first=128, second=32, k=8
    ),
    # The tile, then the cluster.
    "void cutlass::device_kernel<cutlass_3x_gemm_sm90_fp8<cutlass::float_e4m3_t, "
    "cutlass::bfloat16_t, c3x::ScaledEpilogue, cute::tuple<cute::C<(int)64>, "
    "cute::C<(int)128>, cute::C<(int)128>>, cute::tuple<cute::C<(int)2>, "
    "cute::C<(int)1>, cute::C<(int)1>>, (bool)0>::GemmKernel>(T1::Params)": Tile(
        first=64, second=128, k=128, cluster=(2, 1), first_is_n=False
    ),
    # The cluster, then the tile, as GCC's demangler spells it.
    "void cutlass::device_kernel<cutlass::gemm::kernel::GemmUniversal<cute::tuple<int, "
    "int, int, int>, cutlass::gemm::Mainloop<6, cute::tuple<cute::C<1>, cute::C<2>, "
    "cute::C<1> > >, cute::tuple<cute::C<128>, cute::C<32>, cute::C<128> > > >"
    "(T1::Params)": Tile(first=128, second=32, k=128, cluster=(1, 2), first_is_n=False),
    "void fused_a_gemm_kernel<(int)1, (int)2112, (int)7168, (int)16, (int)8, (int)256, "
    "(int)16>(__nv_bfloat16 *, int)": Tile(first=16, second=8, k=256),
    "fused_moe": None,
    "void cutlass::device_kernel<flash::FlashAttnFwdSm90<int>>(T1)": None,
}


@pytest.mark.parametrize(("name", "tile"), NAMED.items())
def test_a_name_states_its_tile(name: str, tile: Tile | None) -> None:
    assert gemm_tile(name) == tile


def test_an_attention_kernel_may_state_its_queries_and_keys() -> None:
    name = (
        "void flashinfer::PrefillWithKVCacheKernel<flashinfer::AttentionKernelTraits<"
        "(bool)1, (int)192, (int)128, (int)64, (int)96, (int)2, cutlass::half_t>>(T1)"
    )
    assert attention_tile(name) == (64, 96)
    assert attention_tile("void flash::flash_fwd_kernel<int>(T1)") is None


def test_cublas_lays_the_first_size_on_n_and_cutlass_on_m() -> None:
    for first_is_n, padded in ((True, (128, 192, 64)), (False, (192, 128, 64))):
        tile = Tile(first=192, second=128, k=64, first_is_n=first_is_n)
        assert next(paddings(tile, (100, 100, 64), 1)).padded == padded


def test_the_grid_tells_the_splits_where_it_is_whole_tiles() -> None:
    # 22 x 2 tiles on 132 blocks: 3 splits, each 38 of 112 steps of 64.
    tile = Tile(first=96, second=64, k=64, splits_k=True)
    told = next(paddings(tile, (128, 2112, 7168), 132))
    assert (told.splits, told.is_by_grid, told.padded[2]) == (3, True, 114 * 64)
    # On 100 blocks: every length that 2 to 32 splits make, each by its fewest.
    untold = [p for p in paddings(tile, (128, 2112, 7168), 100) if not p.is_by_grid]
    lengths = {p.padded[2]: p.splits for p in untold if p.padded[:2] == (128, 2112)}
    assert lengths[112 * 64] == 2
    assert lengths[114 * 64] == 3
    assert lengths[115 * 64] == 5


@given(
    tile=st.builds(
        Tile,
        first=SIDE,
        second=SIDE,
        k=st.just(64),
        cluster=st.sampled_from([(1, 1), (2, 1), (1, 4)]),
        splits_k=st.booleans(),
    ),
    sizes=st.tuples(SIZE, SIZE, SIZE),
    blocks=st.integers(min_value=1, max_value=500),
)
def test_a_padding_is_whole_tiles_and_no_tile_more_than_it_needs(
    tile: Tile, sizes: tuple[int, int, int], blocks: int
) -> None:
    found = list(paddings(tile, sizes, blocks))
    assert found
    m, n, k = sizes
    widest = max(tile.first * tile.cluster[0], tile.second * tile.cluster[1])
    for padding in found:
        padded_m, padded_n, padded_k = padding.padded
        assert padded_m * padded_n % (tile.first * tile.second) == 0
        assert padded_k % (64 * padding.splits) == 0
        assert m <= padded_m < m + widest
        assert n <= padded_n < n + widest
        assert k <= padded_k < k + 64 * padding.splits
        assert 1 <= padding.splits <= MOST_SPLITS
        assert padding.factor == math.prod(padding.padded) / math.prod(sizes)
