"""Device code of ``experts/_fused_moe_kernel.py``: a tile's place and its steps."""

# Triton kernels are written like this, and its decorator has no types.
# ruff: noqa: ANN001, ANN201, N803, PLR0913, PLR0917
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-any-return"

import triton
import triton.language as tl


@triton.jit
def place(tile, rows_in_use, blocks_n, BLOCK_M: tl.constexpr, GROUP_M: tl.constexpr):
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
def row_tile(a, row, k, BLOCK_K: tl.constexpr, SWAP: tl.constexpr):
    """Pointers to rows of a: (rows, BLOCK_K), or swapped its transpose."""
    depth = tl.arange(0, BLOCK_K)
    if SWAP:
        tile = a + row[None, :] * k + depth[:, None]
    else:
        tile = a + row[:, None] * k + depth[None, :]
    return tile


@triton.jit
def weight_tile(
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
def load_weight(
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
def multiply(
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
def accumulate(
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
