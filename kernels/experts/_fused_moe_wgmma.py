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

from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import mbarrier

from dsprof.kernels.moe_wgmma_copy import Operands, copy
from dsprof.kernels.moe_wgmma_device import (
    BLOCK_K,
    BLOCK_M,
    BLOCK_N,
    QUEUE,
    TILE_M,
    TILE_N,
    Handover,
    Output,
    Place,
    Queue,
    Stages,
    Work,
    announced,
    place,
)
from dsprof.kernels.moe_wgmma_epilogue import write_both, write_own
from dsprof.kernels.moe_wgmma_sums import sum_of_own, sums_of_both

COPYING_THREADS = gl.constexpr(128)


@gluon.jit
def _multiply(
    given,
    PART: gl.constexpr,  # 0 or 1: which warp group
    FUSED: gl.constexpr,
    MUL_ROUTED_WEIGHT: gl.constexpr,
    MOST_TURNS: gl.constexpr,
    STAGES: gl.constexpr,
):
    """Multiply half of every tile, and write what becomes of it."""
    b_scales, output, work, stages, queue, handover = given
    tiles_n = work.n // TILE_N
    steps = work.k // BLOCK_K
    done = 0
    handovers = 0
    turn = 0
    tile = announced(queue, turn)
    while tile < work.end:
        turn += 1
        tile_m, tile_n = place(tile, work.groups, tiles_n, MOST_TURNS)
        packed = gl.load(work.tiles + tile_m)
        block = packed // 2
        expert = gl.load(work.expert_ids + block)
        first_scale, second_scale = _weight_scales(
            b_scales, expert, tile_n, tiles_n, steps, FUSED
        )
        ids = work.sorted_token_ids + block * BLOCK_M
        at = Place(ids, tile_n, tile_n * TILE_N)
        if packed % 2:
            first, second = sums_of_both(
                first_scale, second_scale, steps, done, stages, PART, STAGES
            )
            write_both(first, second, output, work, at, PART, FUSED, MUL_ROUTED_WEIGHT)
        else:
            own_scale = first_scale if PART == 0 else second_scale
            total = sum_of_own(own_scale, steps, done, stages, PART, STAGES)
            write_own(
                total,
                handover,
                handovers,
                output,
                work,
                at,
                PART,
                FUSED,
                MUL_ROUTED_WEIGHT,
            )
            handovers += 1
        done += steps
        tile = announced(queue, turn)


@gluon.jit
def _weight_scales(b_scales, expert, tile_n, tiles_n, steps, FUSED: gl.constexpr):
    """Where the scales of a tile's two halves of 128 columns begin."""
    if FUSED:
        first_scale = b_scales + (expert * (2 * tiles_n) + tile_n) * steps
        second_scale = first_scale + tiles_n * steps
    else:
        first_scale = b_scales + (expert * tiles_n + tile_n) * (2 * steps)
        second_scale = first_scale + steps
    return first_scale, second_scale


@gluon.jit
def _make_stages(b, STAGES: gl.constexpr):
    """Allocate shared memory for the operands, and set up their barriers."""
    swizzled: gl.constexpr = gl.NVMMASharedLayout(128, 8, 2)
    plain: gl.constexpr = gl.SwizzledSharedLayout(1, 1, 1, order=[0])
    barriers: gl.constexpr = mbarrier.MBarrierLayout()
    e4m3: gl.constexpr = gl.float8e4nv
    stages = Stages(
        a=gl.allocate_shared_memory(e4m3, [STAGES, TILE_M, BLOCK_K], swizzled),
        b=gl.allocate_shared_memory(e4m3, [2 * STAGES, BLOCK_N, BLOCK_K], b.layout),
        scales=gl.allocate_shared_memory(gl.float32, [STAGES, TILE_M], plain),
        full=gl.allocate_shared_memory(gl.int64, [STAGES, 1], barriers),
        empty=gl.allocate_shared_memory(gl.int64, [STAGES, 1], barriers),
    )
    for stage in gl.static_range(STAGES):
        # Every copying thread, and the one of them that expects the TMA's bytes.
        mbarrier.init(stages.full.index(stage), count=COPYING_THREADS + 1)
        mbarrier.init(stages.empty.index(stage), count=2)
    return stages


@gluon.jit
def _make_queue():
    plain: gl.constexpr = gl.SwizzledSharedLayout(1, 1, 1, order=[0])
    barriers: gl.constexpr = mbarrier.MBarrierLayout()
    queue = Queue(
        tiles=gl.allocate_shared_memory(gl.int32, [QUEUE, 32], plain),
        full=gl.allocate_shared_memory(gl.int64, [QUEUE, 1], barriers),
        empty=gl.allocate_shared_memory(gl.int64, [QUEUE, 1], barriers),
    )
    for slot in gl.static_range(QUEUE):
        mbarrier.init(queue.full.index(slot), count=1)
        mbarrier.init(queue.empty.index(slot), count=2)
    return queue


@gluon.jit
def _make_handover(FUSED: gl.constexpr):
    conflict_free: gl.constexpr = gl.SwizzledSharedLayout(8, 1, 8, order=[1, 0])
    barriers: gl.constexpr = mbarrier.MBarrierLayout()
    full = gl.allocate_shared_memory(gl.int64, [1], barriers)
    empty = gl.allocate_shared_memory(gl.int64, [1], barriers)
    if FUSED:
        sums = gl.allocate_shared_memory(gl.float32, [BLOCK_M, BLOCK_N], conflict_free)
    else:
        sums = full  # of no use
    mbarrier.init(full, count=1)
    mbarrier.init(empty, count=1)
    return Handover(sums, full, empty)


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
    stages = _make_stages(b, STAGES)
    queue = _make_queue()
    handover = _make_handover(FUSED)
    work = Work(sorted_token_ids, expert_ids, tiles, groups, end, n, k, assignments)
    output = Output(out, out_scales, topk_weights)
    multiplied = (b_scales, output, work, stages, queue, handover)
    copied = (Operands(a, a_scales, b), work, taken, stages, queue)
    gl.warp_specialize(
        [
            (_multiply, (multiplied, 0, FUSED, MUL_ROUTED_WEIGHT, MOST_TURNS, STAGES)),
            (_multiply, (multiplied, 1, FUSED, MUL_ROUTED_WEIGHT, MOST_TURNS, STAGES)),
            (copy, (copied, ROWS_PER_A, FUSED, MOST_TURNS, STAGES)),
        ],
        [4, 4],
        [232, 40],
    )
