"""Device code around the experts' GEMMs: what makes the first operand, and the sum.

``quantize_rows`` makes the operand, for few tokens with the row list beside it, and
``sum_rows`` adds the rows of a token.
"""

# Triton kernels are written like this, and its decorator has no types.
# ruff: noqa: ANN001, ANN202, N803, PLR0913, PLR0917
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-any-return"

import triton
import triton.language as tl

from dsprof.kernels.moe_device import SCALE_GROUP, follow, quantized


@triton.jit
def quantize_rows(
    x,  # BF16, groups of 128
    codes,  # e4m3, as many
    scales,  # FP32, one a group
    groups,
    GROUPS: tl.constexpr,  # of a program
    OVERLAP: tl.constexpr,
    IS_INTERPRETED: tl.constexpr,
) -> None:
    """Round each group to e4m3 times its largest magnitude over 448."""
    follow(OVERLAP)
    group = tl.program_id(0).to(tl.int64) * GROUPS + tl.arange(0, GROUPS)
    is_group = group < groups
    offset = group[:, None] * SCALE_GROUP + tl.arange(0, SCALE_GROUP)[None, :]
    values = tl.load(x + offset, mask=is_group[:, None], other=0.0).to(tl.float32)
    values, scale = quantized(values, IS_INTERPRETED)
    tl.store(codes + offset, values.to(codes.dtype.element_ty), mask=is_group[:, None])
    tl.store(scales + group, scale, mask=is_group)


@triton.jit
def _list_rows(
    topk_ids,
    sorted_token_ids,
    expert_ids,
    num_tokens_post_padded,
    assignments,
    list_rows,
    LISTED: tl.constexpr,  # a power of two that no fewer assignments have
    BLOCK_M: tl.constexpr,
):
    """Write the row list of few assignments, by comparing each with each.

    Each block has one assignment whose rank in its expert is a whole number of blocks,
    so the blocks before an expert are those of such assignments of lower experts.
    """
    place = tl.arange(0, LISTED)
    is_one = place < assignments
    none = 1 << 30  # beyond any expert
    expert = tl.load(topk_ids + place, mask=is_one, other=none)
    of_row, of_column = expert[:, None], expert[None, :]
    row, column = place[:, None], place[None, :]
    same = of_row == of_column
    rank = tl.sum((same & (column < row)).to(tl.int32), axis=1)
    column_rank = tl.sum((same & (row < column)).to(tl.int32), axis=0)
    starts = (column_rank % BLOCK_M == 0) & is_one
    before = tl.sum(((of_column < of_row) & starts[None, :]).to(tl.int32), axis=1)
    block = before + rank // BLOCK_M
    for first in range(0, list_rows, LISTED):
        is_inside = first + place < list_rows
        padding = tl.zeros((LISTED,), dtype=tl.int32) + assignments
        tl.store(sorted_token_ids + first + place, padding, mask=is_inside)
    tl.debug_barrier()  # other threads' padding before the rows
    tl.store(sorted_token_ids + block * BLOCK_M + rank % BLOCK_M, place, mask=is_one)
    tl.store(expert_ids + block, expert, mask=is_one & (rank % BLOCK_M == 0))
    tl.store(num_tokens_post_padded, tl.sum(starts.to(tl.int32), axis=0) * BLOCK_M)


@triton.jit
def quantize_and_list_rows(
    x,  # as quantize_rows
    codes,
    scales,
    groups,
    topk_ids,  # int32 (assignments)
    sorted_token_ids,  # (list_rows)
    expert_ids,  # (list_rows / BLOCK_M)
    num_tokens_post_padded,  # (1)
    assignments,
    list_rows,
    GROUPS: tl.constexpr,
    LISTED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    OVERLAP: tl.constexpr,
    IS_INTERPRETED: tl.constexpr,
) -> None:
    """Quantise in all programs but the last, which lists the rows: one launch less."""
    if tl.program_id(0) == tl.num_programs(0) - 1:
        follow(OVERLAP)
        _list_rows(
            topk_ids,
            sorted_token_ids,
            expert_ids,
            num_tokens_post_padded,
            assignments,
            list_rows,
            LISTED,
            BLOCK_M,
        )
    else:
        quantize_rows(x, codes, scales, groups, GROUPS, OVERLAP, IS_INTERPRETED)


@triton.jit
def sum_rows(
    rows,  # BF16 (tokens * TOP_K, n)
    out,  # BF16 (tokens, n)
    n,
    TOP_K: tl.constexpr,
    BLOCK: tl.constexpr,
    OVERLAP: tl.constexpr,
) -> None:
    """Add each token's rows in FP32."""
    follow(OVERLAP)
    token = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    is_column = column < n
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for slot in tl.static_range(TOP_K):
        row = rows + (token * TOP_K + slot) * n
        total += tl.load(row + column, mask=is_column, other=0.0).to(tl.float32)
    tl.store(out + token * n + column, total.to(out.dtype.element_ty), mask=is_column)
