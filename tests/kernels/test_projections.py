from typing import NamedTuple

import pytest

from dsprof.harness.device import Datapath
from dsprof.harness.records import Phase, Point
from dsprof.kernels.projections import projection_ops
from dsprof.kernels.registry import load_kernel
from dsprof.kernels.spec import Cost

# Output and input features, as in the model's configuration.
SIZES = {
    "fused_qkv_a_proj": (2112, 7168),
    "q_b_proj": (24576, 1536),
    "kv_b_proj": (32768, 512),
    "o_proj": (7168, 16384),
    "shared_experts.gate_up_proj": (4096, 7168),
    "shared_experts.down_proj": (7168, 2048),
    "dense_mlp.gate_up_proj": (36864, 7168),
    "dense_mlp.down_proj": (7168, 18432),
}
BF16 = {"fused_qkv_a_proj", "q_b_proj", "kv_b_proj"}


@pytest.mark.parametrize("datapath", list(Datapath))
def test_every_projection_is_an_op(datapath: Datapath) -> None:
    ops = projection_ops(datapath)
    assert {op.name: (op.axes["n"], op.axes["k"]) for op in ops} == SIZES


@pytest.mark.parametrize(
    ("datapath", "noted"),
    [
        (Datapath.FP4_TENSOR, BF16),
        (Datapath.BF16_TENSOR, SIZES.keys() - BF16),
        (Datapath.FP8_TENSOR, SIZES.keys()),
    ],
)
def test_a_note_marks_what_the_model_runs_in_another_precision(
    datapath: Datapath, noted: set[str]
) -> None:
    notes = {op.name: op.note for op in projection_ops(datapath)}
    assert {name for name, note in notes.items() if note} == noted
    assert all(("BF16" in notes[name]) == (name in BF16) for name in noted)


class Sums(NamedTuple):
    """Bytes of the weight, and bytes that each token adds."""

    weight: int
    token: int


# 2 * n * k FLOP a token. FP4: 9/16 byte a weight and an input. FP8: a byte each, and an
# FP32 scale for 128 x 128 weights and for 128 inputs. BF16: 2 bytes. Outputs are BF16.
COSTS = {
    "fused_qkv_a_proj": (
        30_277_632,
        Sums(8_515_584, 8_256),
        Sums(15_142_624, 11_616),
        Sums(30_277_632, 18_560),
    ),
    "q_b_proj": (
        75_497_472,
        Sums(21_233_664, 50_016),
        Sums(37_757_952, 50_736),
        Sums(75_497_472, 52_224),
    ),
    "kv_b_proj": (
        33_554_432,
        Sums(9_437_184, 65_824),
        Sums(16_781_312, 66_064),
        Sums(33_554_432, 66_560),
    ),
    "o_proj": (
        234_881_024,
        Sums(66_060_288, 23_552),
        Sums(117_469_184, 31_232),
        Sums(234_881_024, 47_104),
    ),
    "shared_experts.gate_up_proj": (
        58_720_256,
        Sums(16_515_072, 12_224),
        Sums(29_367_296, 15_584),
        Sums(58_720_256, 22_528),
    ),
    "shared_experts.down_proj": (
        29_360_128,
        Sums(8_257_536, 15_488),
        Sums(14_683_648, 16_448),
        Sums(29_360_128, 18_432),
    ),
    "dense_mlp.gate_up_proj": (
        528_482_304,
        Sums(148_635_648, 77_760),
        Sums(264_305_664, 81_120),
        Sums(528_482_304, 88_064),
    ),
    "dense_mlp.down_proj": (
        264_241_152,
        Sums(74_317_824, 24_704),
        Sums(132_152_832, 33_344),
        Sums(264_241_152, 51_200),
    ),
}
GEMMS = (
    ("cutlass_scaled_fp4_mm", Datapath.FP4_TENSOR),
    ("fp8_blockwise_scaled_mm", Datapath.FP8_TENSOR),
    ("linear", Datapath.BF16_TENSOR),
)


def cost_of(name: str, op: str, tokens: int) -> Cost:
    kernel = load_kernel(name)
    point = Point(kernel=name, op=op, phase=Phase.DECODE, batch_size=tokens, seq_len=1)
    return kernel.cost(kernel.workload(point))


@pytest.mark.parametrize("tokens", [1, 2, 16, 31, 128, 16384])
@pytest.mark.parametrize("op", COSTS)
def test_costs_are_the_sums_worked_out_by_hand(op: str, tokens: int) -> None:
    flops, *sums = COSTS[op]
    for (name, datapath), sizes in zip(GEMMS, sums, strict=True):
        cost = cost_of(name, op, tokens)
        assert cost.flops == {datapath: flops * tokens}
        total = cost.bytes_read + cost.bytes_written
        assert total == sizes.weight + sizes.token * tokens, name


def test_the_router_in_bf16_reads_and_writes_14848_bytes_a_token() -> None:
    # 7168 inputs and 256 outputs of 2 bytes; 256 * 7168 weights.
    cost = cost_of("linear", "gate", 100)
    assert cost.flops == {Datapath.BF16_TENSOR: 100 * 3_670_016}
    assert cost.bytes_read + cost.bytes_written == 3_670_016 + 100 * 14_848


def test_scales_by_row_and_column_are_four_bytes_each() -> None:
    # 2112 * (7168 + 4) bytes of weight; 7168 + 4 in and 2 * 2112 out a token.
    cost = cost_of("fp8_scaled_mm", "fused_qkv_a_proj", 3)
    assert cost.flops == {Datapath.FP8_TENSOR: 3 * 30_277_632}
    assert cost.bytes_read == 15_147_264 + 3 * 7_172
    assert cost.bytes_written == 3 * 4_224


@pytest.mark.parametrize(
    ("op", "intensities"),
    [
        ("q_b_proj", (3.55, 55, 350, 1067, 1471)),
        ("kv_b_proj", (3.53, 51, 240, 447, 505)),
        ("o_proj", (3.55, 57, 435, 2667, 8515)),
        ("dense_mlp.gate_up_proj", (3.55, 56, 427, 2371, 6086)),
    ],
)
def test_fp4_intensity_grows_with_tokens_until_outputs_limit_it(
    op: str, intensities: tuple[float, ...]
) -> None:
    for tokens, intensity in zip((1, 16, 128, 1024, 16384), intensities, strict=True):
        cost = cost_of("cutlass_scaled_fp4_mm", op, tokens)
        got = sum(cost.flops.values()) / (cost.bytes_read + cost.bytes_written)
        assert got == pytest.approx(intensity, rel=0.01)
