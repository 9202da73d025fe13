"""Device code of the experts' GEMMs for Hopper and many rows, in Triton's Gluon.

A program stays on its SM and takes tile after tile: 128 or 64 rows of one expert, and
256 columns. One warp group copies operands into shared memory, two multiply. Products
of 128 columns are scaled and added in FP32, and while one warp group does that, the
tensor cores work for the other. Of 128 rows each has 64; of 64 rows, each has all of
them and half of the columns.
"""

# Gluon kernels are written like this, and its decorator has no types.
# ruff: noqa: ANN001, ANN202, N803, PLR0913, PLR0917
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"

import triton
import triton.language as tl
from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.ampere import async_copy
from triton.experimental.gluon.language.nvidia.hopper import (
    fence_async_shared,
    mbarrier,
    tma,
    warpgroup_mma,
    warpgroup_mma_wait,
)

BLOCK_M = gl.constexpr(64)  # rows of a block of the list, and of a wgmma
TILE_M = gl.constexpr(128)  # rows of two blocks of one expert
BLOCK_N = gl.constexpr(128)  # columns that share a weight scale
TILE_N = gl.constexpr(256)
BLOCK_K = gl.constexpr(128)  # columns that share a scale, and a row of TMA's swizzle
COPYING_THREADS = gl.constexpr(128)
QUEUE = gl.constexpr(2)  # tiles that were taken and not yet begun
E4M3_MAX = gl.constexpr(448.0)
SMALLEST_AMAX = gl.constexpr(1e-10)  # keeps the scale of an all-zero group finite


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


@gluon.jit
def _place(tile, groups, tiles_n, MOST_TURNS: gl.constexpr):
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
def _announce(tile, queue, queue_full, queue_empty, turn):
    """Tell the warp groups that multiply which tile is next."""
    line: gl.constexpr = gl.BlockedLayout([1], [32], [4], [0])
    slot = turn % QUEUE
    mbarrier.wait(queue_empty.index(slot), (turn // QUEUE) & 1 ^ 1)
    queue.index(slot).store(gl.full([32], tile, gl.int32, line))
    mbarrier.arrive(queue_full.index(slot), count=1)


@gluon.jit
def _announced(queue, queue_full, queue_empty, turn):
    """The tile that the copying warp group took, for a warp group that multiplies."""
    line: gl.constexpr = gl.BlockedLayout([1], [32], [4], [0])
    slot = turn % QUEUE
    mbarrier.wait(queue_full.index(slot), (turn // QUEUE) & 1)
    tile = gl.max(queue.index(slot).load(line), 0)
    mbarrier.arrive(queue_empty.index(slot), count=1)
    return tile


@gluon.jit
def _now(x):
    """x, in a way that the compiler cannot compute ahead of a loop.

    It would keep what only the end of a tile needs in registers, and spill sums.
    """
    return gl.inline_asm_elementwise(
        "mov.b32 $0, $1;", "=r,r", [x], dtype=gl.int32, is_pure=False, pack=1
    )


@gluon.jit
def _scaled(x_scale, w_scale):
    """Both scales' product, once the tensor cores have been waited for."""
    return gl.inline_asm_elementwise(
        "mul.f32 $0, $1, $2;",
        "=f,f,f",
        [x_scale, w_scale],
        dtype=gl.float32,
        is_pure=False,
        pack=1,
    )


@gluon.jit
def _add_product(product, scale, total):
    """Add product * scale, a row, to the total before the next product is begun.

    Left to itself, the compiler begins the next one first, for which the registers of
    a second product are lacking.
    """
    return gl.inline_asm_elementwise(
        "fma.rn.f32 $0, $1, $2, $3;",
        "=f,f,f,0",
        [product, gl.expand_dims(scale, 1).broadcast_to(product.shape), total],
        dtype=gl.float32,
        is_pure=False,
        pack=1,
    )


@gluon.jit
def _activated(gate, up):
    """silu(gate) * up, in few instructions and registers."""
    return gl.inline_asm_elementwise(
        """{
        .reg .f32 t;
        mul.f32 t, $1, 0fBFB8AA3B;  // -log2(e)
        ex2.approx.ftz.f32 t, t;
        add.f32 t, t, 0f3F800000;  // 1
        rcp.approx.ftz.f32 t, t;
        mul.f32 t, t, $1;
        mul.f32 $0, t, $2;
        }""",
        "=f,f,f",
        [gate, up],
        dtype=gl.float32,
        is_pure=True,
        pack=1,
    )


@gluon.jit
def _copy(
    a,
    a_scales,
    b,
    sorted_token_ids,
    expert_ids,
    tiles,
    groups,
    end,
    taken,
    n,
    k,
    assignments,
    a_tiles,
    b_tiles,
    scale_tiles,
    full,
    empty,
    queue,
    queue_full,
    queue_empty,
    ROWS_PER_A: gl.constexpr,
    FUSED: gl.constexpr,
    MOST_TURNS: gl.constexpr,
    STAGES: gl.constexpr,
):
    """Fill stage after stage: rows are gathered by cp.async, weights come by TMA."""
    wide: gl.constexpr = gl.BlockedLayout([1, 16], [4, 8], [4, 1], [1, 0])
    flat: gl.constexpr = gl.BlockedLayout([1], [32], [4], [0])
    wide_row = gl.arange(0, TILE_M, layout=gl.SliceLayout(1, wide))
    flat_row = gl.arange(0, TILE_M, layout=flat)
    depth = gl.arange(0, BLOCK_K, layout=gl.SliceLayout(0, wide))
    tiles_n = n // TILE_N
    steps = k // BLOCK_K
    done = 0
    turn = 0
    tile = gl.atomic_add(taken, 1, sem="relaxed")
    while tile < end:
        _announce(tile, queue, queue_full, queue_empty, turn)
        turn += 1
        next_tile = gl.atomic_add(taken, 1, sem="relaxed")
        tile_m, tile_n = _place(tile, groups, tiles_n, MOST_TURNS)
        packed = gl.load(tiles + tile_m)
        block = packed // 2
        rows = BLOCK_M * (1 + packed % 2)
        ids = sorted_token_ids + block * BLOCK_M
        # A row of padding reads another's; what comes of it is not written.
        row = gl.load(ids + wide_row, mask=wide_row < rows, other=assignments)
        is_row = row < assignments  # others are filled with zeros
        row = gl.minimum(row, assignments - 1) // ROWS_PER_A
        source = a + (row * k)[:, None] + depth[None, :]
        row = gl.load(ids + flat_row, mask=flat_row < rows, other=0)
        row = gl.minimum(row, assignments - 1) // ROWS_PER_A
        scale_source = a_scales + row * steps
        expert = gl.load(expert_ids + block)
        if FUSED:
            first_n = expert * n + tile_n * BLOCK_N
            second_n = first_n + n // 2
        else:
            first_n = expert * n + tile_n * TILE_N
            second_n = first_n + BLOCK_N
        for step in range(steps):
            stage = done % STAGES
            mbarrier.wait(empty.index(stage), (done // STAGES) & 1 ^ 1)
            bar = full.index(stage)
            mbarrier.expect(bar, TILE_N * BLOCK_K)
            at = [first_n, step * BLOCK_K]
            tma.async_copy_global_to_shared(b, at, bar, b_tiles.index(2 * stage))
            at = [second_n, step * BLOCK_K]
            tma.async_copy_global_to_shared(b, at, bar, b_tiles.index(2 * stage + 1))
            async_copy.async_copy_global_to_shared(
                a_tiles.index(stage),
                source + step * BLOCK_K,
                mask=is_row[:, None],
            )
            async_copy.async_copy_global_to_shared(
                scale_tiles.index(stage), scale_source + step
            )
            async_copy.mbarrier_arrive(bar, increment_count=False)
            done += 1
        tile = next_tile
    _announce(tile, queue, queue_full, queue_empty, turn)
    # Every program has taken one tile too many; the last to do so ends the count.
    if tile == end + gl.num_programs(0) - 1:
        gl.store(taken, 0)


@gluon.jit
def _write_activated(
    gate, up, out, out_scales, ids, tile_n, n, assignments, layout: gl.constexpr
):
    """Write 64 rows x 128 columns of e4m3 and their scales, at the assignments."""
    rows: gl.constexpr = gl.SliceLayout(1, layout)
    wide: gl.constexpr = gl.BlockedLayout([1, 16], [4, 8], [4, 1], [1, 0])
    value = _activated(gate, up)
    scale = gl.maximum(gl.max(gl.abs(value), 1), SMALLEST_AMAX) / E4M3_MAX
    codes = (value * (1 / scale)[:, None]).to(gl.float8e4nv)
    row = gl.load(ids + _now(gl.arange(0, BLOCK_M, layout=rows)))
    column = out_scales + row * (n // BLOCK_N) + tile_n
    gl.store(column, scale, mask=row < assignments)
    codes = gl.convert_layout(codes, wide)
    row = gl.load(ids + _now(gl.arange(0, BLOCK_M, layout=gl.SliceLayout(1, wide))))
    # Times 16, so that what is not known ahead is still known to be aligned.
    column = gl.arange(0, BLOCK_N, layout=gl.SliceLayout(0, wide)) + 16 * _now(0)
    gl.store(
        out + (row * n)[:, None] + (tile_n * BLOCK_N + column)[None, :],
        codes,
        mask=(row < assignments)[:, None],
    )


@gluon.jit
def _write_rows(
    values,
    out,
    topk_weights,
    ids,
    first_n,
    n,
    assignments,
    MUL_ROUTED_WEIGHT: gl.constexpr,
    layout: gl.constexpr,
):
    """Write 64 rows x 128 columns of BF16 at the assignments."""
    rows: gl.constexpr = gl.SliceLayout(1, layout)
    wide: gl.constexpr = gl.BlockedLayout([1, 8], [2, 16], [4, 1], [1, 0])
    if MUL_ROUTED_WEIGHT:
        row = gl.load(ids + _now(gl.arange(0, BLOCK_M, layout=rows)))
        weight = gl.load(topk_weights + row, mask=row < assignments, other=0.0)
        values *= weight.to(gl.float32)[:, None]
    row = gl.load(ids + _now(gl.arange(0, BLOCK_M, layout=gl.SliceLayout(1, wide))))
    column = gl.arange(0, BLOCK_N, layout=gl.SliceLayout(0, wide)) + 16 * _now(0)
    gl.store(
        out + (row.to(gl.int64) * n)[:, None] + (first_n + column)[None, :],
        gl.convert_layout(values.to(gl.bfloat16), wide),
        mask=(row < assignments)[:, None],
    )


@gluon.jit
def _sums_of_both(
    first_scale,
    second_scale,
    steps,
    done,
    a_tiles,
    b_tiles,
    scale_tiles,
    full,
    empty,
    PART: gl.constexpr,
    STAGES: gl.constexpr,
    layout: gl.constexpr,
):
    """Of a tile of 128 rows: this warp group's 64, times both halves' 128 columns."""
    zero = gl.zeros([BLOCK_M, BLOCK_N], gl.float32, layout)
    first = zero
    second = zero
    for step in range(steps):
        stage = done % STAGES
        mbarrier.wait(full.index(stage), (done // STAGES) & 1)
        fence_async_shared()
        x = a_tiles.index(stage).slice(PART * BLOCK_M, BLOCK_M)
        w = b_tiles.index(2 * stage).permute((1, 0))
        product = warpgroup_mma(x, w, zero, use_acc=False, is_async=True)
        # On their way while the tensor cores work.
        x_scale = scale_tiles.index(stage).slice(PART * BLOCK_M, BLOCK_M)
        x_scale = x_scale.load(gl.SliceLayout(1, layout))
        w_first = gl.load(first_scale + step)
        w_second = gl.load(second_scale + step)
        product = warpgroup_mma_wait(0, deps=[product])
        first = _add_product(product, _scaled(x_scale, w_first), first)
        w = b_tiles.index(2 * stage + 1).permute((1, 0))
        product = warpgroup_mma(x, w, zero, use_acc=False, is_async=True)
        product = warpgroup_mma_wait(0, deps=[product])
        mbarrier.arrive(empty.index(stage), count=1)
        second = _add_product(product, _scaled(x_scale, w_second), second)
        done += 1
    return first, second


@gluon.jit
def _sum_of_own(
    own_scale,
    steps,
    done,
    a_tiles,
    b_tiles,
    scale_tiles,
    full,
    empty,
    PART: gl.constexpr,
    STAGES: gl.constexpr,
    layout: gl.constexpr,
):
    """Of a tile of 64 rows: all, times the 128 columns of this warp group's half."""
    zero = gl.zeros([BLOCK_M, BLOCK_N], gl.float32, layout)
    total = zero
    for step in range(steps):
        stage = done % STAGES
        mbarrier.wait(full.index(stage), (done // STAGES) & 1)
        fence_async_shared()
        x = a_tiles.index(stage).slice(0, BLOCK_M)
        w = b_tiles.index(2 * stage + PART).permute((1, 0))
        product = warpgroup_mma(x, w, zero, use_acc=False, is_async=True)
        x_scale = scale_tiles.index(stage).slice(0, BLOCK_M)
        x_scale = x_scale.load(gl.SliceLayout(1, layout))
        w_scale = gl.load(own_scale + step)
        product = warpgroup_mma_wait(0, deps=[product])
        mbarrier.arrive(empty.index(stage), count=1)
        total = _add_product(product, _scaled(x_scale, w_scale), total)
        done += 1
    return total


@gluon.jit
def _multiply(
    b_scales,
    out,
    out_scales,
    topk_weights,
    sorted_token_ids,
    expert_ids,
    tiles,
    groups,
    end,
    n,
    k,
    assignments,
    a_tiles,
    b_tiles,
    scale_tiles,
    full,
    empty,
    queue,
    queue_full,
    queue_empty,
    handed,
    handed_full,
    handed_empty,
    PART: gl.constexpr,  # 0 or 1: which warp group
    FUSED: gl.constexpr,
    MUL_ROUTED_WEIGHT: gl.constexpr,
    MOST_TURNS: gl.constexpr,
    STAGES: gl.constexpr,
):
    """Multiply half of every tile, and write what becomes of it."""
    layout: gl.constexpr = gl.NVMMADistributedLayout(
        version=[3, 0], warps_per_cta=[4, 1], instr_shape=[16, 128, 32]
    )
    tiles_n = n // TILE_N
    steps = k // BLOCK_K
    done = 0
    handovers = 0
    turn = 0
    tile = _announced(queue, queue_full, queue_empty, turn)
    while tile < end:
        turn += 1
        tile_m, tile_n = _place(tile, groups, tiles_n, MOST_TURNS)
        packed = gl.load(tiles + tile_m)
        block = packed // 2
        expert = gl.load(expert_ids + block)
        if FUSED:
            first_scale = b_scales + (expert * (2 * tiles_n) + tile_n) * steps
            second_scale = first_scale + tiles_n * steps
        else:
            first_scale = b_scales + (expert * tiles_n + tile_n) * (2 * steps)
            second_scale = first_scale + steps
        ids = sorted_token_ids + block * BLOCK_M
        first_n = tile_n * TILE_N
        if packed % 2:
            first, second = _sums_of_both(
                first_scale,
                second_scale,
                steps,
                done,
                a_tiles,
                b_tiles,
                scale_tiles,
                full,
                empty,
                PART,
                STAGES,
                layout,
            )
            ids += PART * BLOCK_M
            if FUSED:
                _write_activated(
                    first,
                    second,
                    out,
                    out_scales,
                    ids,
                    tile_n,
                    n // 2,
                    assignments,
                    layout,
                )
            else:
                _write_rows(
                    first,
                    out,
                    topk_weights,
                    ids,
                    first_n,
                    n,
                    assignments,
                    MUL_ROUTED_WEIGHT,
                    layout,
                )
                _write_rows(
                    second,
                    out,
                    topk_weights,
                    ids,
                    first_n + BLOCK_N,
                    n,
                    assignments,
                    MUL_ROUTED_WEIGHT,
                    layout,
                )
        else:
            own_scale = first_scale if PART == 0 else second_scale
            total = _sum_of_own(
                own_scale,
                steps,
                done,
                a_tiles,
                b_tiles,
                scale_tiles,
                full,
                empty,
                PART,
                STAGES,
                layout,
            )
            if not FUSED:
                _write_rows(
                    total,
                    out,
                    topk_weights,
                    ids,
                    first_n + PART * BLOCK_N,
                    n,
                    assignments,
                    MUL_ROUTED_WEIGHT,
                    layout,
                )
            elif PART == 1:  # has up, and hands it to the one that has gate
                mbarrier.wait(handed_empty, handovers & 1 ^ 1)
                handed.store(total)
                mbarrier.arrive(handed_full, count=1)
            else:
                mbarrier.wait(handed_full, handovers & 1)
                up = handed.load(layout)
                mbarrier.arrive(handed_empty, count=1)
                _write_activated(
                    total,
                    up,
                    out,
                    out_scales,
                    ids,
                    tile_n,
                    n // 2,
                    assignments,
                    layout,
                )
            handovers += 1
        done += steps
        tile = _announced(queue, queue_full, queue_empty, turn)


@gluon.jit
def fused_moe_wgmma(
    a,  # e4m3 (assignments / ROWS_PER_A, k)
    a_scales,  # FP32 (assignments / ROWS_PER_A, k / 128)
    b,  # e4m3, a descriptor of (experts * n, k); if FUSED, gate before up
    b_scales,  # FP32 (experts, n / 128, k / 128)
    out,  # BF16 (assignments, n); if FUSED, e4m3 (assignments, n / 2)
    out_scales,  # FP32 (assignments, n / 256); not written unless FUSED
    topk_weights,  # (assignments); not read unless MUL_ROUTED_WEIGHT
    sorted_token_ids,  # assignment of each row; their number where it is padding
    expert_ids,  # of each block of 64 rows
    tiles,  # as pair_blocks lists them, with groups and num_tiles
    groups,
    num_tiles,
    taken,  # int32 (1): tiles that programs have taken; 0 before and after
    n,
    k,
    assignments,
    ROWS_PER_A: gl.constexpr,  # assignments that share a row of a
    FUSED: gl.constexpr,  # with SwiGLU and the next operand's quantisation behind it
    MUL_ROUTED_WEIGHT: gl.constexpr,
    MOST_TURNS: gl.constexpr,
    STAGES: gl.constexpr,
):
    """Write out[i] = a[i // ROWS_PER_A] @ b[expert of i].T for every assignment i.

    n is a multiple of 256 and k of 128; a has less than 2^31 elements, and so has out
    if FUSED. All tensors are contiguous. Launched with 4 warps and at most 168
    registers a thread, one program an SM.
    """
    end = gl.load(num_tiles) * (n // TILE_N)
    swizzled: gl.constexpr = gl.NVMMASharedLayout(128, 8, 2)
    plain: gl.constexpr = gl.SwizzledSharedLayout(1, 1, 1, order=[0])
    conflict_free: gl.constexpr = gl.SwizzledSharedLayout(8, 1, 8, order=[1, 0])
    barriers: gl.constexpr = mbarrier.MBarrierLayout()
    a_tiles = gl.allocate_shared_memory(
        gl.float8e4nv, [STAGES, TILE_M, BLOCK_K], swizzled
    )
    b_tiles = gl.allocate_shared_memory(
        gl.float8e4nv, [2 * STAGES, BLOCK_N, BLOCK_K], b.layout
    )
    scale_tiles = gl.allocate_shared_memory(gl.float32, [STAGES, TILE_M], plain)
    full = gl.allocate_shared_memory(gl.int64, [STAGES, 1], barriers)
    empty = gl.allocate_shared_memory(gl.int64, [STAGES, 1], barriers)
    queue = gl.allocate_shared_memory(gl.int32, [QUEUE, 32], plain)
    queue_full = gl.allocate_shared_memory(gl.int64, [QUEUE, 1], barriers)
    queue_empty = gl.allocate_shared_memory(gl.int64, [QUEUE, 1], barriers)
    handed_full = gl.allocate_shared_memory(gl.int64, [1], barriers)
    handed_empty = gl.allocate_shared_memory(gl.int64, [1], barriers)
    if FUSED:
        handed = gl.allocate_shared_memory(
            gl.float32, [BLOCK_M, BLOCK_N], conflict_free
        )
    else:
        handed = handed_full  # of no use
    for stage in gl.static_range(STAGES):
        # Every copying thread, and the one of them that expects the TMA's bytes.
        mbarrier.init(full.index(stage), count=COPYING_THREADS + 1)
        mbarrier.init(empty.index(stage), count=2)
    for slot in gl.static_range(QUEUE):
        mbarrier.init(queue_full.index(slot), count=1)
        mbarrier.init(queue_empty.index(slot), count=2)
    mbarrier.init(handed_full, count=1)
    mbarrier.init(handed_empty, count=1)
    gl.warp_specialize(
        [
            (
                _multiply,
                (
                    b_scales,
                    out,
                    out_scales,
                    topk_weights,
                    sorted_token_ids,
                    expert_ids,
                    tiles,
                    groups,
                    end,
                    n,
                    k,
                    assignments,
                    a_tiles,
                    b_tiles,
                    scale_tiles,
                    full,
                    empty,
                    queue,
                    queue_full,
                    queue_empty,
                    handed,
                    handed_full,
                    handed_empty,
                    0,
                    FUSED,
                    MUL_ROUTED_WEIGHT,
                    MOST_TURNS,
                    STAGES,
                ),
            ),
            (
                _multiply,
                (
                    b_scales,
                    out,
                    out_scales,
                    topk_weights,
                    sorted_token_ids,
                    expert_ids,
                    tiles,
                    groups,
                    end,
                    n,
                    k,
                    assignments,
                    a_tiles,
                    b_tiles,
                    scale_tiles,
                    full,
                    empty,
                    queue,
                    queue_full,
                    queue_empty,
                    handed,
                    handed_full,
                    handed_empty,
                    1,
                    FUSED,
                    MUL_ROUTED_WEIGHT,
                    MOST_TURNS,
                    STAGES,
                ),
            ),
            (
                _copy,
                (
                    a,
                    a_scales,
                    b,
                    sorted_token_ids,
                    expert_ids,
                    tiles,
                    groups,
                    end,
                    taken,
                    n,
                    k,
                    assignments,
                    a_tiles,
                    b_tiles,
                    scale_tiles,
                    full,
                    empty,
                    queue,
                    queue_full,
                    queue_empty,
                    ROWS_PER_A,
                    FUSED,
                    MOST_TURNS,
                    STAGES,
                ),
            ),
        ],
        [4, 4],
        [232, 40],
    )
