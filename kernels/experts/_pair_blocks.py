"""Device code that groups blocks of rows into the tiles of ``_fused_moe_wgmma``."""

# Triton kernels are written like this, and its decorator has no types.
# ruff: noqa: ANN001, ANN202, N803, PLR0913, PLR0917
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-any-return"

import triton
import triton.language as tl


@triton.jit
def pair_blocks(
    expert_ids,  # of each block of 64 rows, in ascending order
    num_tokens_post_padded,  # rows in use (1)
    tiles,  # int32: two times a tile's first block, plus one if it has a second
    groups,  # int32: MOST_TURNS + 1 times the first tile of a tile's group, plus size
    num_tiles,  # int32 (1)
    MOST_TURNS: tl.constexpr,
    BLOCKS: tl.constexpr,  # a power of two, no less than there are
) -> None:
    """List the tiles: blocks of an expert in pairs, and the last one if it is odd.

    Tiles of an expert, MOST_TURNS at most, are a group.
    """
    blocks = tl.load(num_tokens_post_padded) // 64
    block = tl.arange(0, BLOCKS)
    is_block = block < blocks
    expert = tl.load(expert_ids + block, mask=is_block, other=-1)
    before = tl.load(expert_ids + block - 1, mask=is_block & (block > 0), other=-2)
    after = tl.load(expert_ids + block + 1, mask=block + 1 < blocks, other=-2)
    first_block = tl.associative_scan(tl.where(expert != before, block, 0), 0, _larger)
    last_block = tl.associative_scan(
        tl.where(expert != after, block, BLOCKS), 0, _smaller, reverse=True
    )
    begins = is_block & ((block - first_block) % 2 == 0)
    tile = tl.cumsum(begins.to(tl.int32)) - 1
    tl.store(tiles + tile, 2 * block + (after == expert).to(tl.int32), mask=begins)
    turn = (block - first_block) // 2 % MOST_TURNS
    left = (last_block - block) // 2 + 1  # tiles of the expert, this one included
    size = tl.minimum(turn + left, MOST_TURNS)
    tl.store(groups + tile, (MOST_TURNS + 1) * (tile - turn) + size, mask=begins)
    tl.store(num_tiles, tl.sum(begins.to(tl.int32)))


@triton.jit
def _larger(x, y):
    return tl.maximum(x, y)


@triton.jit
def _smaller(x, y):
    return tl.minimum(x, y)
