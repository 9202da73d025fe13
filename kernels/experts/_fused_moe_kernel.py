"""Device code of the experts' GEMMs in Triton: one GEMM an expert, rows gathered.

``fused_moe`` is one GEMM; ``fused_moe_silu`` is the first one with SwiGLU and, with
FP8, the next operand's quantisation behind it. Rows go by the list of
``kernels/blocks.py``: each block of BLOCK_M has one expert.
"""

# Triton kernels are written like this, and its decorator has no types.
# ruff: noqa: ANN001, N803, PLR0913, PLR0915, PLR0917
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-any-return"

import triton
import triton.language as tl

from dsprof.kernels.moe_device import SCALE_GROUP, follow, quantized
from dsprof.kernels.moe_split_device import is_last, store_partial, sum_partials
from dsprof.kernels.moe_tile_device import (
    accumulate,
    load_weight,
    multiply,
    place,
    row_tile,
    weight_tile,
)


@triton.jit
def fused_moe(
    a,  # (assignments / ROWS_PER_A, k)
    a_scales,  # (assignments / ROWS_PER_A, k / 128), FP32; not read unless IS_FP8
    b,  # (experts, n, k); with TMA, a descriptor of (experts * n, k)
    b_scales,  # (experts, n / 128, k / 128), FP32; not read unless IS_FP8
    out,  # (assignments, n)
    topk_weights,  # (assignments); not read unless MUL_ROUTED_WEIGHT
    sorted_token_ids,  # assignment of each row; their number where it is padding
    expert_ids,  # of each block of BLOCK_M rows
    num_tokens_post_padded,  # rows in use (1)
    partials,  # (programs, BLOCK_M, BLOCK_N), FP32; not used unless SPLIT_K > 1
    counters,  # (tiles), int32, all 0 before and after; not used unless SPLIT_K > 1
    n,
    k,
    assignments,
    ROWS_PER_A: tl.constexpr,  # assignments that share a row of a
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
    SPLIT_K: tl.constexpr,  # programs that share the steps of a tile
    SWAP: tl.constexpr,
    TMA: tl.constexpr,
    IS_FP8: tl.constexpr,
    MUL_ROUTED_WEIGHT: tl.constexpr,
    OVERLAP: tl.constexpr,
    IS_INTERPRETED: tl.constexpr,
) -> None:
    """Write out[i] = a[i // ROWS_PER_A] @ b[expert of i].T for every assignment i.

    n and k are multiples of BLOCK_N and BLOCK_K, and with FP8 a tile has one scale in
    128 columns: both divide 128. All tensors are contiguous.
    """
    follow(OVERLAP)
    program = tl.program_id(0)
    rows_in_use = tl.load(num_tokens_post_padded)
    blocks_n = n // BLOCK_N
    tile = program // SPLIT_K
    block_m, block_n = place(tile, rows_in_use, blocks_n, BLOCK_M, GROUP_M)
    expert = tl.load(expert_ids + block_m).to(tl.int64)
    assignment = tl.load(
        sorted_token_ids + block_m * BLOCK_M + tl.arange(0, BLOCK_M)
    ).to(tl.int64)
    if tile >= rows_in_use // BLOCK_M * blocks_n:
        return
    is_row = assignment < assignments
    row = assignment // ROWS_PER_A
    first_row = expert * n + block_n * BLOCK_N
    a_tile = row_tile(a, row, k, BLOCK_K, SWAP)
    b_tile = weight_tile(b, first_row, k, BLOCK_N, BLOCK_K, SWAP) if not TMA else b
    scales_k = k // SCALE_GROUP
    a_scale = a_scales + row * scales_k
    b_scale = b_scales + first_row // SCALE_GROUP * scales_k

    steps = tl.cdiv(k // BLOCK_K, SPLIT_K)
    first = program % SPLIT_K * steps
    if SWAP:
        total = tl.zeros((BLOCK_N, BLOCK_M), dtype=tl.float32)
        mask = is_row[None, :]
    else:
        total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
        mask = is_row[:, None]
    end = tl.minimum(first + steps, k // BLOCK_K)
    # A step's scales are loaded during the one before: nothing else hides their way.
    next_x_scale, next_w_scale = 1.0, 1.0
    if IS_FP8:
        group = first * BLOCK_K // SCALE_GROUP
        next_x_scale = tl.load(a_scale + group, mask=is_row, other=0.0)
        next_w_scale = tl.load(b_scale + group)
    for step in range(first, end):
        x_scale, w_scale = next_x_scale, next_w_scale
        if IS_FP8:
            group = tl.minimum(step + 1, end - 1) * BLOCK_K // SCALE_GROUP
            next_x_scale = tl.load(a_scale + group, mask=is_row, other=0.0)
            next_w_scale = tl.load(b_scale + group)
        x = tl.load(a_tile + step * BLOCK_K, mask=mask, other=0.0)
        w = load_weight(b, b_tile, first_row, step, BLOCK_K, SWAP, TMA)
        product = multiply(x, w, total, SWAP, IS_FP8, IS_INTERPRETED)
        total = accumulate(product, x_scale, w_scale, total, SWAP, IS_FP8)

    if SWAP:
        total = tl.trans(total)
    if SPLIT_K > 1:
        store_partial(partials, program, 0, total, is_row, BLOCK_M, BLOCK_N, 1)
        if not is_last(counters, tile, SPLIT_K):
            return
        total = sum_partials(partials, tile, 0, is_row, BLOCK_M, BLOCK_N, 1, SPLIT_K)
    if MUL_ROUTED_WEIGHT:
        weight = tl.load(topk_weights + assignment, mask=is_row, other=0.0)
        total *= weight.to(tl.float32)[:, None]
    column = block_n * BLOCK_N + tl.arange(0, BLOCK_N)
    tl.store(
        out + assignment[:, None] * n + column[None, :],
        total.to(out.dtype.element_ty),
        mask=is_row[:, None],
    )


@triton.jit
def fused_moe_silu(
    a,  # (assignments / ROWS_PER_A, k)
    a_scales,  # (assignments / ROWS_PER_A, k / 128), FP32; not read unless IS_FP8
    b,  # (experts, 2 * n, k), gate before up; with TMA, of (experts * 2 * n, k)
    b_scales,  # (experts, 2 * n / 128, k / 128), FP32; not read unless IS_FP8
    out,  # (assignments, n)
    out_scales,  # (assignments, n / 128), FP32; not written unless IS_FP8
    sorted_token_ids,  # assignment of each row; their number where it is padding
    expert_ids,  # of each block of BLOCK_M rows
    num_tokens_post_padded,  # rows in use (1)
    partials,  # (programs, 2, BLOCK_M, BLOCK_N), FP32; not used unless SPLIT_K > 1
    counters,  # (tiles), int32, all 0 before and after; not used unless SPLIT_K > 1
    n,
    k,
    assignments,
    ROWS_PER_A: tl.constexpr,  # assignments that share a row of a
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,  # of gate and of up each; with FP8, 128: a scale group
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
    SPLIT_K: tl.constexpr,  # programs that share the steps of a tile
    SWAP: tl.constexpr,
    TMA: tl.constexpr,
    IS_FP8: tl.constexpr,
    OVERLAP: tl.constexpr,
    IS_INTERPRETED: tl.constexpr,
) -> None:
    """Write silu(gate) * up of every assignment; with FP8, codes and their scales.

    Gate and up are not rounded before the product, nor is the product before it is
    quantised.
    """
    follow(OVERLAP)
    program = tl.program_id(0)
    rows_in_use = tl.load(num_tokens_post_padded)
    blocks_n = n // BLOCK_N
    tile = program // SPLIT_K
    block_m, block_n = place(tile, rows_in_use, blocks_n, BLOCK_M, GROUP_M)
    expert = tl.load(expert_ids + block_m).to(tl.int64)
    assignment = tl.load(
        sorted_token_ids + block_m * BLOCK_M + tl.arange(0, BLOCK_M)
    ).to(tl.int64)
    if tile >= rows_in_use // BLOCK_M * blocks_n:
        return
    is_row = assignment < assignments
    row = assignment // ROWS_PER_A
    gate_row = expert * 2 * n + block_n * BLOCK_N
    up_row = gate_row + n
    a_tile = row_tile(a, row, k, BLOCK_K, SWAP)
    gate_tile = weight_tile(b, gate_row, k, BLOCK_N, BLOCK_K, SWAP) if not TMA else b
    up_tile = weight_tile(b, up_row, k, BLOCK_N, BLOCK_K, SWAP) if not TMA else b
    scales_k = k // SCALE_GROUP
    a_scale = a_scales + row * scales_k
    gate_scale = b_scales + gate_row // SCALE_GROUP * scales_k
    up_scale = b_scales + up_row // SCALE_GROUP * scales_k

    steps = tl.cdiv(k // BLOCK_K, SPLIT_K)
    first = program % SPLIT_K * steps
    if SWAP:
        gate = tl.zeros((BLOCK_N, BLOCK_M), dtype=tl.float32)
        up = tl.zeros((BLOCK_N, BLOCK_M), dtype=tl.float32)
        mask = is_row[None, :]
    else:
        gate = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
        up = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
        mask = is_row[:, None]
    end = tl.minimum(first + steps, k // BLOCK_K)
    # A step's scales are loaded during the one before: nothing else hides their way.
    next_x_scale, next_gate_scale, next_up_scale = 1.0, 1.0, 1.0
    if IS_FP8:
        group = first * BLOCK_K // SCALE_GROUP
        next_x_scale = tl.load(a_scale + group, mask=is_row, other=0.0)
        next_gate_scale = tl.load(gate_scale + group)
        next_up_scale = tl.load(up_scale + group)
    for step in range(first, end):
        x_scale = next_x_scale
        w_gate_scale, w_up_scale = next_gate_scale, next_up_scale
        if IS_FP8:
            group = tl.minimum(step + 1, end - 1) * BLOCK_K // SCALE_GROUP
            next_x_scale = tl.load(a_scale + group, mask=is_row, other=0.0)
            next_gate_scale = tl.load(gate_scale + group)
            next_up_scale = tl.load(up_scale + group)
        x = tl.load(a_tile + step * BLOCK_K, mask=mask, other=0.0)
        w_gate = load_weight(b, gate_tile, gate_row, step, BLOCK_K, SWAP, TMA)
        w_up = load_weight(b, up_tile, up_row, step, BLOCK_K, SWAP, TMA)
        gate_product = multiply(x, w_gate, gate, SWAP, IS_FP8, IS_INTERPRETED)
        up_product = multiply(x, w_up, up, SWAP, IS_FP8, IS_INTERPRETED)
        gate = accumulate(gate_product, x_scale, w_gate_scale, gate, SWAP, IS_FP8)
        up = accumulate(up_product, x_scale, w_up_scale, up, SWAP, IS_FP8)

    if SWAP:
        gate = tl.trans(gate)
        up = tl.trans(up)
    if SPLIT_K > 1:
        store_partial(partials, program, 0, gate, is_row, BLOCK_M, BLOCK_N, 2)
        store_partial(partials, program, 1, up, is_row, BLOCK_M, BLOCK_N, 2)
        if not is_last(counters, tile, SPLIT_K):
            return
        gate = sum_partials(partials, tile, 0, is_row, BLOCK_M, BLOCK_N, 2, SPLIT_K)
        up = sum_partials(partials, tile, 1, is_row, BLOCK_M, BLOCK_N, 2, SPLIT_K)
    inner = gate * tl.sigmoid(gate) * up
    if IS_FP8:
        inner, scale = quantized(inner, IS_INTERPRETED)
        tl.store(out_scales + assignment * blocks_n + block_n, scale, mask=is_row)
    column = block_n * BLOCK_N + tl.arange(0, BLOCK_N)
    tl.store(
        out + assignment[:, None] * n + column[None, :],
        inner.to(out.dtype.element_ty),
        mask=is_row[:, None],
    )
