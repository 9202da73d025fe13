"""Device code of ``experts/_fused_moe_wgmma.py``: what is written of a tile's sums."""

# Gluon kernels are written like this, and its decorator has no types.
# ruff: noqa: ANN001, ANN201, ANN202, N803, PLR0913, PLR0917
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"

from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import mbarrier

from dsprof.kernels.moe_device import E4M3_MAX, SMALLEST_AMAX
from dsprof.kernels.moe_wgmma_device import BLOCK_M, BLOCK_N, SUMS


@gluon.jit
def write_both(
    first,
    second,
    output,
    work,
    at,
    PART: gl.constexpr,
    FUSED: gl.constexpr,
    MUL_ROUTED_WEIGHT: gl.constexpr,
):
    """Write 64 rows of both halves of a tile's columns: if FUSED, gate and up."""
    ids = at.ids + PART * BLOCK_M
    if FUSED:
        _write_activated(first, second, output, work, ids, at.tile_n)
    else:
        second_n = at.first_n + BLOCK_N
        _write_rows(first, output, work, ids, at.first_n, MUL_ROUTED_WEIGHT)
        _write_rows(second, output, work, ids, second_n, MUL_ROUTED_WEIGHT)


@gluon.jit
def write_own(
    total,
    handover,
    handovers,
    output,
    work,
    at,
    PART: gl.constexpr,
    FUSED: gl.constexpr,
    MUL_ROUTED_WEIGHT: gl.constexpr,
):
    """Write 64 rows of this warp group's half of a tile's columns.

    If FUSED, warp group 1 has up, and hands it to warp group 0, which has gate.
    """
    if not FUSED:
        first_n = at.first_n + PART * BLOCK_N
        _write_rows(total, output, work, at.ids, first_n, MUL_ROUTED_WEIGHT)
    elif PART == 1:
        mbarrier.wait(handover.empty, handovers & 1 ^ 1)
        handover.sums.store(total)
        mbarrier.arrive(handover.full, count=1)
    else:
        mbarrier.wait(handover.full, handovers & 1)
        up = handover.sums.load(SUMS)
        mbarrier.arrive(handover.empty, count=1)
        _write_activated(total, up, output, work, at.ids, at.tile_n)


@gluon.jit
def _write_activated(gate, up, output, work, ids, tile_n):
    """Write 64 rows x 128 columns of e4m3 and their scales, at the assignments."""
    rows: gl.constexpr = gl.SliceLayout(1, SUMS)
    wide: gl.constexpr = gl.BlockedLayout([1, 16], [4, 8], [4, 1], [1, 0])
    n = work.n // 2
    value = _activated(gate, up)
    scale = gl.maximum(gl.max(gl.abs(value), 1), SMALLEST_AMAX) / E4M3_MAX
    codes = (value * (1 / scale)[:, None]).to(gl.float8e4nv)
    row = gl.load(ids + _now(gl.arange(0, BLOCK_M, layout=rows)))
    column = output.scales + row * (n // BLOCK_N) + tile_n
    gl.store(column, scale, mask=row < work.assignments)
    codes = gl.convert_layout(codes, wide)
    row = gl.load(ids + _now(gl.arange(0, BLOCK_M, layout=gl.SliceLayout(1, wide))))
    # Times 16, so that what is not known ahead is still known to be aligned.
    column = gl.arange(0, BLOCK_N, layout=gl.SliceLayout(0, wide)) + 16 * _now(0)
    gl.store(
        output.rows + (row * n)[:, None] + (tile_n * BLOCK_N + column)[None, :],
        codes,
        mask=(row < work.assignments)[:, None],
    )


@gluon.jit
def _write_rows(values, output, work, ids, first_n, MUL_ROUTED_WEIGHT: gl.constexpr):
    """Write 64 rows x 128 columns of BF16 at the assignments."""
    rows: gl.constexpr = gl.SliceLayout(1, SUMS)
    wide: gl.constexpr = gl.BlockedLayout([1, 8], [2, 16], [4, 1], [1, 0])
    if MUL_ROUTED_WEIGHT:
        row = gl.load(ids + _now(gl.arange(0, BLOCK_M, layout=rows)))
        weight = gl.load(
            output.topk_weights + row, mask=row < work.assignments, other=0.0
        )
        values *= weight.to(gl.float32)[:, None]
    row = gl.load(ids + _now(gl.arange(0, BLOCK_M, layout=gl.SliceLayout(1, wide))))
    column = gl.arange(0, BLOCK_N, layout=gl.SliceLayout(0, wide)) + 16 * _now(0)
    gl.store(
        output.rows
        + (row.to(gl.int64) * work.n)[:, None]
        + (first_n + column)[None, :],
        gl.convert_layout(values.to(gl.bfloat16), wide),
        mask=(row < work.assignments)[:, None],
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
def _now(x):
    """x, in a way that the compiler cannot compute ahead of a loop.

    It would keep what only the end of a tile needs in registers, and spill sums.
    """
    return gl.inline_asm_elementwise(
        "mov.b32 $0, $1;", "=r,r", [x], dtype=gl.int32, is_pure=False, pack=1
    )
