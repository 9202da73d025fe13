"""Device code of ``experts/_fused_moe_wgmma.py``: what its warp groups share.

Values that travel together are tuples with names, of which nothing is left once a
kernel is compiled.
"""

# Gluon kernels are written like this, and its decorator has no types.
# ruff: noqa: ANN001, ANN201, N803
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"

from typing import NamedTuple

from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import mbarrier

BLOCK_M = gl.constexpr(64)  # rows of a block of the list, and of a wgmma
TILE_M = gl.constexpr(128)  # rows of two blocks of one expert
BLOCK_N = gl.constexpr(128)  # columns that share a weight scale
TILE_N = gl.constexpr(256)
BLOCK_K = gl.constexpr(128)  # columns that share a scale, and a row of TMA's swizzle
QUEUE = gl.constexpr(2)  # tiles that were taken and not yet begun
SUMS = gl.constexpr(  # how a warp group has 64 rows x 128 columns in registers
    gl.NVMMADistributedLayout(
        version=[3, 0], warps_per_cta=[4, 1], instr_shape=[16, 128, 32]
    )
)


class Work(NamedTuple):
    """The row list, its tiles and the sizes, as ``fused_moe_wgmma`` is given them."""

    sorted_token_ids: gl.tensor
    expert_ids: gl.tensor
    tiles: gl.tensor
    groups: gl.tensor
    end: gl.tensor  # tiles of rows and columns that there are
    n: gl.tensor
    k: gl.tensor
    assignments: gl.tensor


class Output(NamedTuple):
    """What is written, and the weights that it may be multiplied by."""

    rows: gl.tensor
    scales: gl.tensor
    topk_weights: gl.tensor


class Place(NamedTuple):
    """Where a tile's sums go: its rows' assignments, and its columns."""

    ids: gl.tensor
    tile_n: gl.tensor
    first_n: gl.tensor


class Stages(NamedTuple):
    """Operands of some steps in shared memory, and barriers for each stage."""

    a: gl.shared_memory_descriptor
    b: gl.shared_memory_descriptor
    scales: gl.shared_memory_descriptor
    full: gl.shared_memory_descriptor
    empty: gl.shared_memory_descriptor


class Queue(NamedTuple):
    """Tiles on their way from the warp group that copies to those that multiply."""

    tiles: gl.shared_memory_descriptor
    full: gl.shared_memory_descriptor
    empty: gl.shared_memory_descriptor


class Handover(NamedTuple):
    """Sums on their way from one warp group to the other."""

    sums: gl.shared_memory_descriptor
    full: gl.shared_memory_descriptor
    empty: gl.shared_memory_descriptor


@gluon.jit
def place(tile, groups, tiles_n, MOST_TURNS: gl.constexpr):
    """Which rows and columns: a group's tiles of rows take turns at a tile of columns.

    They begin one right after another, so that those of an expert find its weights, and
    the columns find their rows, in L2.
    """
    packed = gl.load(groups + tile // tiles_n)
    first_m = packed // (MOST_TURNS + 1)
    turns = packed % (MOST_TURNS + 1)
    inside = tile - first_m * tiles_n
    return first_m + inside % turns, inside // turns


@gluon.jit
def announce(tile, queue, turn):
    """Tell the warp groups that multiply which tile is next."""
    line: gl.constexpr = gl.BlockedLayout([1], [32], [4], [0])
    slot = turn % QUEUE
    mbarrier.wait(queue.empty.index(slot), (turn // QUEUE) & 1 ^ 1)
    queue.tiles.index(slot).store(gl.full([32], tile, gl.int32, line))
    mbarrier.arrive(queue.full.index(slot), count=1)


@gluon.jit
def announced(queue, turn):
    """The tile that the copying warp group took, for a warp group that multiplies."""
    line: gl.constexpr = gl.BlockedLayout([1], [32], [4], [0])
    slot = turn % QUEUE
    mbarrier.wait(queue.full.index(slot), (turn // QUEUE) & 1)
    tile = gl.max(queue.tiles.index(slot).load(line), 0)
    mbarrier.arrive(queue.empty.index(slot), count=1)
    return tile
