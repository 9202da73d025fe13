"""Device code of ``experts/_fused_moe_wgmma.py``: the warp group that copies."""

# Gluon kernels are written like this, and its decorator has no types.
# ruff: noqa: ANN001, ANN201, ANN202, N803, PLR0913, PLR0917
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"

from typing import NamedTuple

from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.ampere import async_copy
from triton.experimental.gluon.language.nvidia.hopper import mbarrier, tma

from dsprof.kernels.moe_wgmma_device import (
    BLOCK_K,
    BLOCK_M,
    BLOCK_N,
    TILE_M,
    TILE_N,
    announce,
    place,
)


class Operands(NamedTuple):
    """What is copied, as ``fused_moe_wgmma`` is given it."""

    a: gl.tensor
    a_scales: gl.tensor
    b: tma.tensor_descriptor


@gluon.jit
def copy(
    given,
    ROWS_PER_A: gl.constexpr,
    FUSED: gl.constexpr,
    MOST_TURNS: gl.constexpr,
    STAGES: gl.constexpr,
):
    """Take tile after tile, announce it, and fill stage after stage."""
    operands, work, taken, stages, queue = given
    lanes = _lanes()
    tiles_n = work.n // TILE_N
    steps = work.k // BLOCK_K
    done = 0
    turn = 0
    tile = gl.atomic_add(taken, 1, sem="relaxed")
    while tile < work.end:
        announce(tile, queue, turn)
        turn += 1
        next_tile = gl.atomic_add(taken, 1, sem="relaxed")
        tile_m, tile_n = place(tile, work.groups, tiles_n, MOST_TURNS)
        done = _copy_tile(
            operands,
            work,
            stages,
            lanes,
            tile_m,
            tile_n,
            steps,
            done,
            ROWS_PER_A,
            FUSED,
            STAGES,
        )
        tile = next_tile
    announce(tile, queue, turn)
    # Every program has taken one tile too many; the last to do so ends the count.
    if tile == work.end + gl.num_programs(0) - 1:
        gl.store(taken, 0)


@gluon.jit
def _lanes():
    """Which rows and columns of a tile a thread copies, and which rows' scales."""
    wide: gl.constexpr = gl.BlockedLayout([1, 16], [4, 8], [4, 1], [1, 0])
    flat: gl.constexpr = gl.BlockedLayout([1], [32], [4], [0])
    wide_row = gl.arange(0, TILE_M, layout=gl.SliceLayout(1, wide))
    flat_row = gl.arange(0, TILE_M, layout=flat)
    depth = gl.arange(0, BLOCK_K, layout=gl.SliceLayout(0, wide))
    return wide_row, flat_row, depth


@gluon.jit
def _copy_tile(
    operands,
    work,
    stages,
    lanes,
    tile_m,
    tile_n,
    steps,
    done,
    ROWS_PER_A: gl.constexpr,
    FUSED: gl.constexpr,
    STAGES: gl.constexpr,
):
    """Copy what a tile needs: rows are gathered by cp.async, weights come by TMA."""
    wide_row, flat_row, depth = lanes
    packed = gl.load(work.tiles + tile_m)
    block = packed // 2
    rows = BLOCK_M * (1 + packed % 2)
    ids = work.sorted_token_ids + block * BLOCK_M
    # Rows of padding are filled with zeros: they take less power than another's values.
    row = gl.load(ids + wide_row, mask=wide_row < rows, other=work.assignments)
    is_row = row < work.assignments
    row = gl.minimum(row, work.assignments - 1) // ROWS_PER_A
    source = operands.a + (row * work.k)[:, None] + depth[None, :]
    row = gl.load(ids + flat_row, mask=flat_row < rows, other=0)
    row = gl.minimum(row, work.assignments - 1) // ROWS_PER_A
    scale_source = operands.a_scales + row * steps
    expert = gl.load(work.expert_ids + block)
    if FUSED:
        first_n = expert * work.n + tile_n * BLOCK_N
        second_n = first_n + work.n // 2
    else:
        first_n = expert * work.n + tile_n * TILE_N
        second_n = first_n + BLOCK_N
    for step in range(steps):
        stage = done % STAGES
        mbarrier.wait(stages.empty.index(stage), (done // STAGES) & 1 ^ 1)
        bar = stages.full.index(stage)
        mbarrier.expect(bar, TILE_N * BLOCK_K)
        at = [first_n, step * BLOCK_K]
        w = stages.b.index(2 * stage)
        tma.async_copy_global_to_shared(operands.b, at, bar, w)
        at = [second_n, step * BLOCK_K]
        w = stages.b.index(2 * stage + 1)
        tma.async_copy_global_to_shared(operands.b, at, bar, w)
        async_copy.async_copy_global_to_shared(
            stages.a.index(stage), source + step * BLOCK_K, mask=is_row[:, None]
        )
        async_copy.async_copy_global_to_shared(
            stages.scales.index(stage), scale_source + step
        )
        async_copy.mbarrier_arrive(bar, increment_count=False)
        done += 1
    return done
