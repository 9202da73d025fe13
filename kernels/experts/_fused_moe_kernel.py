"""Device code of the experts' GEMMs in Triton: one GEMM an expert, rows gathered.

``fused_moe`` is one GEMM; ``fused_moe_silu`` is the first one with SwiGLU and, with
FP8, the next operand's quantisation behind it. Rows go by the list of
``kernels/blocks.py``: each block of BLOCK_M has one expert.
"""

# Triton kernels are written like this, and its decorator has no types.
# ruff: noqa: ANN001, ANN202, N803, PLR0913, PLR0915, PLR0917
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-any-return"

import triton
import triton.language as tl

from dsprof.kernels.moe_device import SCALE_GROUP, follow, quantized


@triton.jit
def _place(tile, rows_in_use, blocks_n, BLOCK_M: tl.constexpr, GROUP_M: tl.constexpr):
    """Block of rows and of columns of a tile.

    GROUP_M blocks of rows take turns at a block of columns, so that those of one
    expert find its weight, and the columns find their rows, in L2. With GROUP_M = 1
    nothing depends on the rows in use, so that loads need not wait for their number.
    """
    if GROUP_M == 1:
        block_m = tile // blocks_n
        block_n = tile % blocks_n
    else:
        first_m = tile // (GROUP_M * blocks_n) * GROUP_M
        blocks_m = tl.cdiv(rows_in_use, BLOCK_M)
        turns = tl.maximum(tl.minimum(blocks_m - first_m, GROUP_M), 1)
        block_m = first_m + tile % (GROUP_M * blocks_n) % turns
        block_n = tile % (GROUP_M * blocks_n) // turns
    return block_m, block_n


@triton.jit
def _row_tile(a, row, k, BLOCK_K: tl.constexpr, SWAP: tl.constexpr):
    """Pointers to rows of a: (rows, BLOCK_K), or swapped its transpose."""
    depth = tl.arange(0, BLOCK_K)
    if SWAP:
        tile = a + row[None, :] * k + depth[:, None]
    else:
        tile = a + row[:, None] * k + depth[None, :]
    return tile


@triton.jit
def _weight_tile(
    b, first_row, k, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, SWAP: tl.constexpr
):
    """Pointers to BLOCK_N rows of b: (BLOCK_K, BLOCK_N), or swapped its transpose."""
    column = first_row + tl.arange(0, BLOCK_N)
    depth = tl.arange(0, BLOCK_K)
    if SWAP:
        tile = b + column[:, None] * k + depth[None, :]
    else:
        tile = b + column[None, :] * k + depth[:, None]
    return tile


@triton.jit
def _load_weight(
    b,
    b_tile,
    first_row,
    step,
    BLOCK_K: tl.constexpr,
    SWAP: tl.constexpr,
    TMA: tl.constexpr,
):
    """Load a step's weights; by TMA, b is a descriptor of (experts * n, k)."""
    if TMA:
        w = b.load([first_row.to(tl.int32), step * BLOCK_K])
        if not SWAP:
            w = tl.trans(w)
    else:
        w = tl.load(b_tile + step * BLOCK_K)
    return w


@triton.jit
def _product(
    x,
    w,
    total,
    SWAP: tl.constexpr,
    IS_FP8: tl.constexpr,
    IS_INTERPRETED: tl.constexpr,
):
    """Multiply a step's tiles: with FP8 the product alone, else added to the total.

    Swapped, the weights are the tensor core's 64 rows, which few tokens do not fill.
    """
    if IS_INTERPRETED:
        # The interpreter multiplies the bit patterns of bfloat16.
        x, w = x.to(tl.float32), w.to(tl.float32)
    if SWAP:
        x, w = w, x
    return tl.dot(x, w) if IS_FP8 else tl.dot(x, w, total)


@triton.jit
def _accumulate(
    product, x_scale, w_scale, total, SWAP: tl.constexpr, IS_FP8: tl.constexpr
):
    """The total with a step's product in it."""
    if IS_FP8:
        scale = x_scale * w_scale
        if SWAP:
            total += product * scale[None, :]
        else:
            total += product * scale[:, None]
    else:
        total = product
    return total


@triton.jit
def _store_partial(
    partials,
    place,
    half,
    total,
    is_row,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    HALVES: tl.constexpr,
):
    """Keep one program's share of a tile's sum; padding rows are not written."""
    first = (place.to(tl.int64) * HALVES + half) * (BLOCK_M * BLOCK_N)
    offset = tl.arange(0, BLOCK_M)[:, None] * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
    tl.store(partials + first + offset, total, mask=is_row[:, None])


@triton.jit
def _sum_partials(
    partials,
    tile,
    half,
    is_row,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    HALVES: tl.constexpr,
    SPLIT_K: tl.constexpr,
):
    """Add a tile's shares in their order, so that the sum is the same every time."""
    offset = tl.arange(0, BLOCK_M)[:, None] * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for split in tl.static_range(SPLIT_K):
        place = tile.to(tl.int64) * SPLIT_K + split
        first = (place * HALVES + half) * (BLOCK_M * BLOCK_N)
        # Past L1, which is not kept coherent with what other programs write.
        total += tl.load(
            partials + first + offset,
            mask=is_row[:, None],
            other=0.0,
            cache_modifier=".cg",
        )
    return total


@triton.jit
def _is_last(counters, tile, SPLIT_K: tl.constexpr):
    """Count this program's arrival at its tile; the last one resets the count.

    The barrier puts all threads' stores before the one thread's release.
    """
    tl.debug_barrier()
    arrived = tl.atomic_add(counters + tile, 1, sem="acq_rel", scope="gpu")
    last = arrived == SPLIT_K - 1
    tl.store(counters + tile, 0, mask=last)
    return last


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
    block_m, block_n = _place(tile, rows_in_use, blocks_n, BLOCK_M, GROUP_M)
    expert = tl.load(expert_ids + block_m).to(tl.int64)
    assignment = tl.load(
        sorted_token_ids + block_m * BLOCK_M + tl.arange(0, BLOCK_M)
    ).to(tl.int64)
    if tile >= rows_in_use // BLOCK_M * blocks_n:
        return
    is_row = assignment < assignments
    row = assignment // ROWS_PER_A
    first_row = expert * n + block_n * BLOCK_N
    a_tile = _row_tile(a, row, k, BLOCK_K, SWAP)
    b_tile = _weight_tile(b, first_row, k, BLOCK_N, BLOCK_K, SWAP) if not TMA else b
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
        w = _load_weight(b, b_tile, first_row, step, BLOCK_K, SWAP, TMA)
        product = _product(x, w, total, SWAP, IS_FP8, IS_INTERPRETED)
        total = _accumulate(product, x_scale, w_scale, total, SWAP, IS_FP8)

    if SWAP:
        total = tl.trans(total)
    if SPLIT_K > 1:
        _store_partial(partials, program, 0, total, is_row, BLOCK_M, BLOCK_N, 1)
        if not _is_last(counters, tile, SPLIT_K):
            return
        total = _sum_partials(partials, tile, 0, is_row, BLOCK_M, BLOCK_N, 1, SPLIT_K)
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
    block_m, block_n = _place(tile, rows_in_use, blocks_n, BLOCK_M, GROUP_M)
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
    a_tile = _row_tile(a, row, k, BLOCK_K, SWAP)
    gate_tile = _weight_tile(b, gate_row, k, BLOCK_N, BLOCK_K, SWAP) if not TMA else b
    up_tile = _weight_tile(b, up_row, k, BLOCK_N, BLOCK_K, SWAP) if not TMA else b
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
        w_gate = _load_weight(b, gate_tile, gate_row, step, BLOCK_K, SWAP, TMA)
        w_up = _load_weight(b, up_tile, up_row, step, BLOCK_K, SWAP, TMA)
        gate_product = _product(x, w_gate, gate, SWAP, IS_FP8, IS_INTERPRETED)
        up_product = _product(x, w_up, up, SWAP, IS_FP8, IS_INTERPRETED)
        gate = _accumulate(gate_product, x_scale, w_gate_scale, gate, SWAP, IS_FP8)
        up = _accumulate(up_product, x_scale, w_up_scale, up, SWAP, IS_FP8)

    if SWAP:
        gate = tl.trans(gate)
        up = tl.trans(up)
    if SPLIT_K > 1:
        _store_partial(partials, program, 0, gate, is_row, BLOCK_M, BLOCK_N, 2)
        _store_partial(partials, program, 1, up, is_row, BLOCK_M, BLOCK_N, 2)
        if not _is_last(counters, tile, SPLIT_K):
            return
        gate = _sum_partials(partials, tile, 0, is_row, BLOCK_M, BLOCK_N, 2, SPLIT_K)
        up = _sum_partials(partials, tile, 1, is_row, BLOCK_M, BLOCK_N, 2, SPLIT_K)
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
