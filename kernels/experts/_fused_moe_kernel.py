"""Device code of fused_moe_kernel: one GEMM an expert, over rows that it gathers."""

# Triton kernels are written like this, and its decorator has no types.
# ruff: noqa: ANN001, N803, PLR0913, PLR0917
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

import triton
import triton.language as tl


@triton.jit
def fused_moe(
    a,  # (assignments / ROWS_PER_A, k)
    a_scales,  # (assignments / ROWS_PER_A, k / 128), FP32; not read unless IS_FP8
    b,  # (experts, n, k)
    b_scales,  # (experts, n / 128, k / 128), FP32; not read unless IS_FP8
    out,  # (assignments, n)
    topk_weights,  # (assignments), FP32; not read unless MUL_ROUTED_WEIGHT
    sorted_token_ids,  # assignment of each row; their number where it is padding
    expert_ids,  # of each block of BLOCK_M rows
    num_tokens_post_padded,  # rows in use (1)
    n,
    k,
    assignments,
    ROWS_PER_A: tl.constexpr,  # assignments that share a row of a
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
    IS_FP8: tl.constexpr,
    MUL_ROUTED_WEIGHT: tl.constexpr,
    IS_INTERPRETED: tl.constexpr,
) -> None:
    """Write out[i] = a[i // ROWS_PER_A] @ b[expert of i].T for every assignment i.

    n and k are multiples of BLOCK_N and BLOCK_K, and with FP8 a block of b has one
    scale: both are 128. All tensors are contiguous.
    """
    rows_in_use = tl.load(num_tokens_post_padded)
    # GROUP_M blocks of rows take turns at a block of columns, so that those of one
    # expert find its weight, and the columns find their rows, in L2.
    blocks_n = n // BLOCK_N
    blocks_m = tl.cdiv(rows_in_use, BLOCK_M)
    program = tl.program_id(0)
    if program >= blocks_m * blocks_n:
        return
    first_m = program // (GROUP_M * blocks_n) * GROUP_M
    turns = tl.minimum(blocks_m - first_m, GROUP_M)
    block_m = first_m + program % (GROUP_M * blocks_n) % turns
    block_n = program % (GROUP_M * blocks_n) // turns

    assignment = tl.load(
        sorted_token_ids + block_m * BLOCK_M + tl.arange(0, BLOCK_M)
    ).to(tl.int64)
    is_row = assignment < assignments
    expert = tl.load(expert_ids + block_m).to(tl.int64)
    row = assignment // ROWS_PER_A
    column = block_n * BLOCK_N + tl.arange(0, BLOCK_N)
    depth = tl.arange(0, BLOCK_K)
    a_tile = a + row[:, None] * k + depth[None, :]
    b_tile = b + expert * n * k + column[None, :].to(tl.int64) * k + depth[:, None]
    blocks_k = k // BLOCK_K
    a_scale = a_scales + row * blocks_k
    b_scale = b_scales + (expert * blocks_n + block_n) * blocks_k

    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for step in range(blocks_k):
        x = tl.load(a_tile + step * BLOCK_K, mask=is_row[:, None], other=0.0)
        w = tl.load(b_tile + step * BLOCK_K)
        if IS_INTERPRETED:
            # The interpreter multiplies the bit patterns of bfloat16.
            x, w = x.to(tl.float32), w.to(tl.float32)
        if IS_FP8:
            x_scale = tl.load(a_scale + step, mask=is_row, other=0.0)
            w_scale = tl.load(b_scale + step)
            total += tl.dot(x, w) * (x_scale * w_scale)[:, None]
        else:
            total = tl.dot(x, w, total)

    if MUL_ROUTED_WEIGHT:
        weight = tl.load(topk_weights + assignment, mask=is_row, other=0.0)
        total *= weight[:, None]
    tl.store(
        out + assignment[:, None] * n + column[None, :],
        total.to(out.dtype.element_ty),
        mask=is_row[:, None],
    )
