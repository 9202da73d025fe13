"""Device code of ``experts/_fused_moe_kernel.py``: tiles whose steps programs share.

Every program stores its share of the sum; the last to arrive adds them all.
"""

# Triton kernels are written like this, and its decorator has no types.
# ruff: noqa: ANN001, ANN201, N803, PLR0913, PLR0917
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-any-return"

import triton
import triton.language as tl


@triton.jit
def store_partial(
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
def sum_partials(
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
def is_last(counters, tile, SPLIT_K: tl.constexpr):
    """Count this program's arrival at its tile; the last one resets the count.

    The barrier puts all threads' stores before the one thread's release.
    """
    tl.debug_barrier()
    arrived = tl.atomic_add(counters + tile, 1, sem="acq_rel", scope="gpu")
    last = arrived == SPLIT_K - 1
    tl.store(counters + tile, 0, mask=last)
    return last
