"""What is said of padding, as explain_inflation says it: the ratio is all it gets."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.inflation import explain_inflation
from dsprof.analysis.merge import merge_point
from dsprof.harness.counters import Counters
from dsprof.harness.device import Datapath
from dsprof.harness.records import Measurement, Phase, Point, Status
from tests.conftest import Factory

LAUNCH = ("kernel_name", "grid")
GROUPED = (
    "void cutlass::device_kernel<cutlass::gemm::kernel::GemmUniversal<cutlass::gemm::"
    "GroupProblemShape<int>, cute::tuple<cute::C<(int)2>, cute::C<(int)1>, cute::C<"
    "(int)1>>, cute::tuple<cute::C<(int)128>, cute::C<(int)32>, cute::C<(int)128>>>>"
)
PREFILL = (
    "void flashinfer::PrefillWithKVCacheKernel<flashinfer::AttentionKernelTraits<(bool)"
    "1, (int)192, (int)128, (int)128, (int)128, (int)2, cutlass::bfloat16_t>>(T1)"
)


@pytest.fixture
def explain(make_counters: Factory, make_measurement: Factory) -> Factory:
    """Explain a BF16 kernel of the given sizes that executed ``ratio`` x its FLOP."""

    def make(**changes: Any) -> str:  # noqa: ANN401 -- any field
        ratio = changes.pop("ratio")
        flops = 1_000_000
        launched = {name: changes.pop(name) for name in LAUNCH if name in changes}
        sizes = {"category": "GEMM", "m": 128, "n": 256, "k": 512}
        row = make_measurement(flops={Datapath.BF16_TENSOR: flops}, **sizes | changes)
        launch = make_counters(
            tensor_bf16_flops=ratio * flops, fp32_flops=0.0, **launched
        )
        return explain_inflation(merge_point((launch,), row))

    return make


@pytest.mark.parametrize(
    ("sizes", "ratio", "reason"),
    [
        ({"m": 4}, 16, "m = 4 in tiles of 64 is 64"),
        # 100 rows are 128 in tiles of 32, 64 and 128 alike.
        ({"m": 100}, 1.28, "m = 100 in tiles of 32 or 64 or 128 is 128"),
        # 2112 = 16.5 * 128: the 17th tile of 128 makes it 2176.
        ({"n": 2112}, 2176 / 2112, "n = 2112 in tiles of 128 is 2176"),
        ({"k": 500}, 512 / 500, "k = 500 in tiles of 16 or 32 or 64 or 128 or 256"),
        (
            {"m": 4, "n": 2112},
            16 * 2176 / 2112,
            "m = 4 in tiles of 64 is 64, n = 2112 in tiles of 128 is 2176",
        ),
        # 192 is no power of two, but a tile of cuBLAS: 200 rows are 384.
        ({"m": 200}, 384 / 200, "m = 200 in tiles of 192 is 384"),
    ],
)
def test_a_tile_that_gives_the_ratio_is_named(
    explain: Factory, sizes: dict[str, int], ratio: float, reason: str
) -> None:
    assert reason in explain(ratio=ratio, **sizes)
    assert explain(ratio=ratio, **sizes).startswith("tile padding: ")


class Named(NamedTuple):
    """A GEMM whose name states its tile, and what is said of it after the tile."""

    name: str
    grid: tuple[int, int, int]
    mnk: tuple[int, int, int]
    ratio: float
    said: str


@pytest.mark.parametrize(
    "gemm",
    [
        # ceil(7168 / 192) * 192 = 7296 and ceil(16384 / 192) * 192 = 16512.
        Named(
            "nvjet_sm90_tst_192x192_64x4_2x1_v_bz_coopB_TNN",
            (132, 1, 1),
            (16384, 7168, 2048),
            7296 / 7168 * 16512 / 16384,
            ": m = 16384 is 16512, n = 7168 is 7296: 1.008 * 1.018 = 1.026",
        ),
        # 505 tiles of n, and clusters of two of them: 506, which is 1.00 rounded.
        Named(
            "nvjet_sm90_tst_256x128_64x4_2x1_v_bz_coopA_TNT",
            (132, 1, 1),
            (128, 129280, 7168),
            506 / 505,
            " in clusters of 2x1: n = 129280 is 129536",
        ),
        # 36 tiles of n in clusters, 108 blocks: 3 splits, each 38 of 112 steps of k.
        Named(
            "nvjet_sm90_tst_64x8_64x16_4x1_v_bz_splitK_TNT",
            (4, 27, 1),
            (1, 2112, 7168),
            8 * 2304 / 2112 * 114 / 112,
            " in clusters of 4x1: m = 1 is 8, n = 2112 is 2304, k = 7168 is 7296 in 3 "
            "splits of whole blocks of 64: 8 * 1.091 * 1.018 = 8.883",
        ),
        # 4 x 4 tiles on 80 blocks: 5 splits, each 23 of 112 steps.
        Named(
            "nvjet_sm90_tst_64x32_64x16_2x4_h_bz_splitK_TNT",
            (8, 10, 1),
            (128, 256, 7168),
            115 / 112,
            ": k = 7168 is 7360 in 5 splits of whole blocks of 64",
        ),
        # 56 tiles on 132 blocks that go on to the next: the grid does not say.
        Named(
            "nvjet_sm90_tst_128x8_64x12_2x1_v_bz_splitK_TNT",
            (2, 66, 1),
            (1, 7168, 18432),
            8 * 294 / 288,
            ": m = 1 is 8, k = 18432 is 18816 in 7 or more splits of whole blocks of "
            "64: 8 * 1.021 = 8.167",
        ),
    ],
)
def test_the_tile_of_the_name_goes_before_a_guessed_one(
    explain: Factory, gemm: Named
) -> None:
    m, n, k = gemm.mnk
    launch = {"kernel_name": gemm.name, "grid": gemm.grid}
    said = explain(ratio=gemm.ratio, m=m, n=n, k=k, **launch)
    tile = gemm.name.split("_")[3]
    assert said == f"tile padding: tile {tile} (its name){gemm.said}"


def test_no_tile_is_guessed_where_the_one_of_the_name_does_not_fit(
    explain: Factory,
) -> None:
    name = "nvjet_sm90_tst_192x192_64x4_2x1_v_bz_coopB_TNN"
    assert explain(ratio=2.0, m=128, kernel_name=name) == (
        "not explained: 2 times the formula's FLOP, not by its name's tile 192x192"
    )
    assert explain(ratio=2.0, m=64).startswith("tile padding: m = 64 in tiles of 128")


def test_a_little_more_than_the_formula_needs_an_exact_reason(
    explain: Factory,
) -> None:
    assert explain(ratio=1.0049) == ""
    # ceil(24576 / 320) * 320 = 24640 is 1.0026 times as much.
    name = "nvjet_sm90_tst_320x128_64x3_1x2_h_bz_coopB_TNT"
    wide = {"m": 16384, "n": 24576, "k": 1536, "kernel_name": name}
    assert explain(ratio=1.0026, **wide) == ""
    assert explain(ratio=24640 / 24576, **wide) == (
        "tile padding: tile 320x128 (its name): n = 24576 is 24640"
    )


def test_a_cache_that_is_no_whole_number_of_tiles_is_padded(explain: Factory) -> None:
    said = explain(ratio=1024 / 1000, category="Attention", kv_len=1000, k=0)
    assert said.startswith("tile padding: kv_len = 1000 in tiles of ")
    assert said.endswith("is 1024")


def test_rows_of_experts_are_rounded_up_to_blocks(explain: Factory) -> None:
    # 32 assignments of 30 experts in blocks of 16 rows: 480 rows.
    said = explain(ratio=15, category="MoE", m=32)
    assert said == (
        "MoE padding: m = 32 rows, each expert's rounded up to whole blocks of up to "
        "32, are 480"
    )
    # 483 rows are no whole blocks.
    assert explain(ratio=483 / 32, category="MoE", m=32).startswith("not explained")
    # Several GEMMs in one call: the rows of each are not on record.
    fused = explain(ratio=1.3, category="MoE", m=4, k=0)
    assert fused == (
        "MoE padding: 1.3 times the rows, each expert's rounded up to whole blocks, "
        "whose size this record cannot tell"
    )


def test_the_experts_of_one_token_give_the_block_away(explain: Factory) -> None:
    # Eight rows, each of another expert, so each alone in its block.
    one = {"category": "MoE", "batch_size": 1}
    assert explain(ratio=16, m=8, **one).endswith("whole blocks of 16, are 128")
    fused = explain(ratio=32, m=1, k=0, kernel_name=GROUPED, **one)
    assert fused.endswith("whole blocks of 32 of tile 128x32 (its name)")


def test_the_tile_of_a_grouped_gemm_is_the_block_of_its_experts(
    explain: Factory,
) -> None:
    # 251 experts, a block each: 8032 is 251 * 32, but no whole blocks of 128.
    experts = {"category": "MoE", "kernel_name": GROUPED}
    assert explain(ratio=8032 / 1024, m=1024, **experts) == (
        "MoE padding: m = 1024 rows, each expert's rounded up to whole blocks of 32 "
        "of tile 128x32 (its name), are 8032"
    )
    assert explain(ratio=1.5, m=128, k=0, **experts) == (
        "MoE padding: 1.5 times the rows, each expert's rounded up to whole blocks of "
        "tile 128x32 (its name)"
    )


def test_causal_tiles_across_the_diagonal_are_named_where_they_give_the_ratio(
    explain: Factory,
) -> None:
    # 256 tokens in tiles of 128 x 128: 3 tiles of 16384 scores against 256 * 257 / 2.
    prompt = {"category": "Attention", "phase": Phase.PREFILL, "seq_len": 256, "k": 0}
    said = explain(ratio=3 * 16384 / 32896, **prompt)
    assert said == (
        "causal tiles across the diagonal: 1.494 times the masked half is what tiles "
        "of up to 64 x 128 or 128 x 128 (queries x keys) do"
    )
    assert explain(ratio=3 * 16384 / 32896, kernel_name=PREFILL, **prompt) == (
        "causal tiles across the diagonal: 1.494 times the masked half is what tiles "
        "of 128 x 128 (queries x keys, its name) do"
    )
    # 12.85 keys a query more than the 128.5 that the mask leaves.
    assert explain(ratio=1.1, **prompt) == (
        "causal tiles across the diagonal: 13 keys a query beyond the 128 that the "
        "mask leaves it on average"
    )
    assert explain(ratio=4.0, **prompt).startswith("not explained")  # no mask does that


@given(
    m=st.integers(min_value=1, max_value=20_000),
    tile=st.sampled_from([8, 16, 32, 64, 128, 256]),
)
def test_every_padding_to_a_power_of_two_is_found(m: int, tile: int) -> None:
    padded = -(-m // tile) * tile
    row = Measurement(
        point=Point(
            kernel="linear", op="x", phase=Phase.DECODE, batch_size=m, seq_len=1
        ),
        status=Status.OK, category="GEMM", m=m, n=256, k=512,
        flops={Datapath.BF16_TENSOR: 2 * m * 256 * 512},
    )  # fmt: skip
    launch = Counters(kernel_name="k", tensor_bf16_flops=2.0 * padded * 256 * 512)
    said = explain_inflation(merge_point((launch,), row))
    if padded == m:
        assert said == ""
    else:
        assert f"m = {m} in tiles of " in said
        assert said.endswith(f" is {padded}")
