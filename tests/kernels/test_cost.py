"""Costs against the tensors themselves, and against sums worked out by hand."""

import math
from typing import NamedTuple

import numpy as np
import pytest

from dsprof.harness.device import Datapath
from dsprof.harness.records import Phase, Point
from dsprof.harness.sweep import make_sweep, plan
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels import routed
from dsprof.kernels.registry import load_kernel, load_kernels
from dsprof.kernels.spec import Workload

TOKENS = (1, 2, 16, 31, 32, 128, 16384)


class Formula(NamedTuple):
    """FLOP and bytes that grow with the tokens, and bytes that do not."""

    datapath: Datapath | None
    flops_per_token: int
    bytes_per_token: int
    fixed_bytes: int


FORMULAS = {
    # 4 * 7168 + 3 FLOP; 2 * 7168 BF16; the weight's 7168 BF16.
    ("rmsnorm", "input_layernorm"): Formula(Datapath.FP32, 28_675, 28_672, 14_336),
    ("rmsnorm", "q_a_layernorm"): Formula(Datapath.FP32, 6_147, 6_144, 3_072),
    ("rmsnorm", "kv_a_layernorm"): Formula(Datapath.FP32, 2_051, 2_048, 1_024),
    # 5 * 7168 + 3 FLOP; 4 * 7168 BF16.
    ("fused_add_rmsnorm", "post_attention_layernorm"): Formula(
        Datapath.FP32, 35_843, 57_344, 14_336
    ),
    # 2 * 2112 * 7168 FLOP; (7168 + 2112) BF16; 2112 * 7168 BF16.
    ("dsv3_fused_a_gemm", "fused_qkv_a_proj"): Formula(
        Datapath.BF16_TENSOR, 30_277_632, 18_560, 30_277_632
    ),
    # 2 * 256 * 7168 FLOP; 7168 BF16 and 256 FP32; 256 * 7168 BF16.
    ("dsv3_router_gemm", "gate"): Formula(
        Datapath.BF16_TENSOR, 3_670_016, 15_360, 3_670_016
    ),
    # 128 heads: 2 * 128 * 512 FLOP; 128 FP8 and 512 BF16; 128 * 512 FP8.
    ("bmm_fp8", "q_nope * w_kc"): Formula(
        Datapath.FP8_TENSOR, 16_777_216, 147_456, 8_388_608
    ),
    # The same with 512 FP8 in and 128 BF16 out.
    ("bmm_fp8", "attn * w_vc"): Formula(
        Datapath.FP8_TENSOR, 16_777_216, 98_304, 8_388_608
    ),
    # 128 * 128 + 64 BF16 in, 128 * 192 out.
    ("concat_mla_k", "concat_k"): Formula(None, 0, 82_048, 0),
    # 4 FLOP and 6 bytes an output: 8 * 2048, 2048 and 18432 of them.
    ("silu_and_mul", "act_fn"): Formula(Datapath.FP32, 65_536, 98_304, 0),
    ("silu_and_mul", "shared_experts.act_fn"): Formula(Datapath.FP32, 8_192, 12_288, 0),
    ("silu_and_mul", "dense_mlp.act_fn"): Formula(Datapath.FP32, 73_728, 110_592, 0),
    # 5 * 256 FLOP; 256 FP32 in, 8 * (4 + 4) bytes out; the bias's 256 FP32.
    ("topk_softmax", "topk"): Formula(Datapath.FP32, 1_280, 1_088, 0),
    ("topk_sigmoid", "topk"): Formula(Datapath.FP32, 1_280, 1_088, 1_024),
    ("moe_fused_gate", "topk"): Formula(Datapath.FP32, 1_280, 1_088, 1_024),
    # 8 ids in and 16 out, 4 bytes each; tables of 2 * 257 + 2 * 768 int32.
    ("prepare_moe_input", "experts"): Formula(None, 0, 96, 8_200),
    # 2 * 8 * 7168 FLOP; 9 * 7168 BF16, 8 * (4 + 2) bytes of rows and factors.
    ("apply_shuffle_mul_sum", "experts"): Formula(Datapath.FP32, 114_688, 129_072, 0),
    # 9 * 7168 FP8, and 8 int32 rows; the same with 9 * 56 FP32 scales.
    ("shuffle_rows", "experts"): Formula(None, 0, 64_544, 0),
    ("shuffle_rows", "experts (scales)"): Formula(None, 0, 2_048, 0),
    # 8 * 7168 FLOP; 9 * 7168 BF16.
    ("moe_sum_reduce", "experts"): Formula(Datapath.FP32, 57_344, 129_024, 0),
    # 7168 FLOP; 3 * 7168 BF16.
    ("shared_experts_add", "experts"): Formula(Datapath.FP32, 7_168, 43_008, 0),
}


def workload(name: str, op: str, tokens: int) -> Workload:
    return load_kernel(name).workload(
        Point(kernel=name, op=op, phase=Phase.DECODE, batch_size=tokens, seq_len=1)
    )


@pytest.mark.parametrize(
    ("name", "op"),
    [(kernel.name, op.name) for kernel in load_kernels() for op in kernel.ops],
)
def test_bytes_are_those_of_the_tensors(name: str, op: str) -> None:
    kernel = load_kernel(name)
    for point in plan(make_sweep([kernel], ops=(op,)), [kernel]):
        work = kernel.workload(point)
        args = kernel.make_inputs(work, DeviceTensors("meta", point))
        cost = kernel.cost(work)
        counted = kernel.traffic.count(work, args)
        assert (cost.bytes_read, cost.bytes_written) == counted, point.label


@pytest.mark.parametrize("tokens", TOKENS)
@pytest.mark.parametrize(("name", "op"), FORMULAS)
def test_cost_is_the_sum_worked_out_by_hand(name: str, op: str, tokens: int) -> None:
    formula = FORMULAS[name, op]
    cost = load_kernel(name).cost(workload(name, op, tokens))
    flops = (
        {formula.datapath: formula.flops_per_token * tokens} if formula.datapath else {}
    )
    assert cost.flops == flops
    assert (
        cost.bytes_read + cost.bytes_written
        == formula.bytes_per_token * tokens + formula.fixed_bytes
    )


# What grows with the tokens, and the weights of an expert that gets a row.
EXPERT_FORMULAS = {
    # 8 * 2 * 4096 * 7168 FLOP; 8 rows of 7168 FP4 in and 4096 BF16 out; 4096 * 7168
    # FP4. FP4 is 9 / 16 of a byte, with its scale.
    ("cutlass_fp4_group_mm", "experts (gate_up)"): Formula(
        Datapath.FP4_TENSOR, 469_762_048, 97_792, 16_515_072
    ),
    ("cutlass_fp4_group_mm", "experts (down)"): Formula(
        Datapath.FP4_TENSOR, 234_881_024, 123_904, 8_257_536
    ),
    # The same with FP8 rows of 7168 + 4 * 56 bytes; weights of 4096 * 7168 FP8 and
    # 32 * 56 FP32 scales.
    ("fp8_blockwise_scaled_grouped_mm", "experts (gate_up)"): Formula(
        Datapath.FP8_TENSOR, 469_762_048, 124_672, 29_367_296
    ),
    ("fp8_blockwise_scaled_grouped_mm", "experts (down)"): Formula(
        Datapath.FP8_TENSOR, 234_881_024, 131_584, 14_683_648
    ),
    # Both GEMMs; 7168 BF16 in and out, 8 ids of 4 and 8 weights of 2 bytes.
    ("fp8_moe", "experts (fused)"): Formula(
        Datapath.FP8_TENSOR, 704_643_072, 28_720, 44_050_944
    ),
    ("triton_fp8_moe", "experts (fused)"): Formula(
        Datapath.FP8_TENSOR, 704_643_072, 28_720, 44_050_944
    ),
}


@pytest.mark.parametrize("tokens", TOKENS)
@pytest.mark.parametrize(("name", "op"), EXPERT_FORMULAS)
def test_only_experts_that_get_a_row_count_their_weights(
    name: str, op: str, tokens: int
) -> None:
    formula = EXPERT_FORMULAS[name, op]
    cost = load_kernel(name).cost(workload(name, op, tokens))
    busy = len(set(routed.expert_ids(tokens).ravel().tolist()))
    assert cost.flops == {formula.datapath: formula.flops_per_token * tokens}
    assert (
        cost.bytes_read + cost.bytes_written
        == formula.bytes_per_token * tokens + formula.fixed_bytes * busy
    )


@pytest.mark.parametrize("tokens", TOKENS)
@pytest.mark.parametrize("name", ["fp8_moe", "triton_fp8_moe"])
def test_routed_experts_count_those_that_their_logits_choose(
    name: str, tokens: int
) -> None:
    kernel = load_kernel(name)
    work = workload(name, "routed experts", tokens)
    cost = kernel.cost(work)
    busy = len(set(routed.routed_ids(tokens).ravel().tolist()))
    assert cost.flops == {Datapath.FP8_TENSOR: 704_643_072 * tokens}
    # 7168 BF16 and 256 FP32 logits in, 7168 BF16 out.
    assert cost.bytes_read + cost.bytes_written == (
        44_050_944 * busy + (14_336 + 1_024 + 14_336) * tokens
    )
    assert kernel.distinct_experts is not None
    assert kernel.distinct_experts(work) == busy


@pytest.mark.parametrize("tokens", TOKENS)
def test_the_fused_fp4_experts_count_those_of_their_own_limited_routing(
    tokens: int,
) -> None:
    name, op = "trtllm_fp4_block_scale_moe", "experts (fused)"
    cost = load_kernel(name).cost(workload(name, op, tokens))
    busy = len(set(routed.expert_ids(tokens, 256, 8, 8, 4).ravel().tolist()))
    # 7168 FP4 and 256 FP32 logits in, 7168 BF16 out; the bias's 256 BF16.
    assert cost.bytes_read + cost.bytes_written == (
        24_772_608 * busy + (4_032 + 1_024 + 14_336) * tokens + 512
    )
    assert cost.flops == {Datapath.FP4_TENSOR: 704_643_072 * tokens}


# Bytes that the first GEMM reads a token and the second an assignment, and a weight's.
TRITON_GEMMS = {
    "experts (gate_up)": (Datapath.FP8_TENSOR, 7_392, 0, 29_367_296, 4096),
    "experts (down)": (Datapath.FP8_TENSOR, 0, 2_112 + 4, 14_683_648, 7168),
    "experts (gate_up) bf16": (Datapath.BF16_TENSOR, 14_336, 0, 58_720_256, 4096),
    "experts (down) bf16": (Datapath.BF16_TENSOR, 0, 4_096 + 4, 29_360_128, 7168),
}


@pytest.mark.parametrize(("tokens", "block"), [(1, 16), (512, 16), (2048, 64)])
@pytest.mark.parametrize("op", TRITON_GEMMS)
def test_a_fused_gemm_reads_its_row_list_up_to_the_last_block(
    op: str, tokens: int, block: int
) -> None:
    datapath, by_token, by_assignment, weight, n = TRITON_GEMMS[op]
    cost = load_kernel("fused_moe_kernel").cost(
        workload("fused_moe_kernel", op, tokens)
    )
    rows = np.bincount(routed.expert_ids(tokens).ravel(), minlength=256)
    blocks = sum(math.ceil(count / block) for count in rows.tolist())
    assert cost.bytes_read == (
        weight * int((rows > 0).sum())
        + by_token * tokens
        + by_assignment * 8 * tokens
        + 4 * (blocks * block + blocks + 1)
    )
    assert cost.bytes_written == 2 * n * 8 * tokens
    k = 7168 if n == 4096 else 2048
    assert cost.flops == {datapath: 2 * n * k * 8 * tokens}


@pytest.mark.parametrize("tokens", TOKENS)
def test_block_alignment_writes_a_list_for_the_worst_routing(tokens: int) -> None:
    # The one cost that is no straight line: each of 8 * tokens ids alone in a block of
    # 64, or, from 257 ids on, 257 experts that each fall 63 short, in whole blocks.
    ids = 8 * tokens
    rows = ids * 64 if ids < 257 else math.ceil((ids + 257 * 63) / 64) * 64
    cost = load_kernel("moe_align_block_size").cost(
        workload("moe_align_block_size", "experts", tokens)
    )
    assert cost.flops == {}
    assert cost.bytes_read == 4 * ids
    assert cost.bytes_written == 4 * (rows + rows // 64 + 1)


@pytest.mark.parametrize(
    ("name", "op", "shape"),
    [
        ("rmsnorm", "kv_a_layernorm", (4, 512, 0)),
        ("dsv3_fused_a_gemm", "fused_qkv_a_proj", (4, 2112, 7168)),
        ("dsv3_router_gemm", "gate", (4, 256, 7168)),
        ("bmm_fp8", "q_nope * w_kc", (4, 512, 128)),
        ("bmm_fp8", "attn * w_vc", (4, 128, 512)),
        ("concat_mla_k", "concat_k", (4, 24576, 0)),
        ("silu_and_mul", "act_fn", (32, 2048, 0)),
        ("silu_and_mul", "dense_mlp.act_fn", (4, 18432, 0)),
        ("moe_fused_gate", "topk", (4, 256, 0)),
        ("prepare_moe_input", "experts", (4, 8, 0)),
        ("apply_shuffle_mul_sum", "experts", (4, 7168, 0)),
        ("fused_moe_kernel", "experts (gate_up)", (32, 4096, 7168)),
        ("cutlass_fp4_group_mm", "experts (down)", (32, 7168, 2048)),
        ("fp8_moe", "experts (fused)", (4, 7168, 0)),
    ],
)
def test_shape_is_m_n_k_or_rows_and_their_width(
    name: str, op: str, shape: tuple[int, int, int]
) -> None:
    assert load_kernel(name).shape(workload(name, op, 4)) == shape
