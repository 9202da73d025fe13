"""Device code of ``experts/_fused_moe_wgmma.py``: the sums of a tile's products.

Products of 128 columns are scaled and added in FP32, from stage after stage.
"""

# Gluon kernels are written like this, and its decorator has no types.
# ruff: noqa: ANN001, ANN201, ANN202, N803, PLR0913, PLR0917
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"

from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import (
    fence_async_shared,
    mbarrier,
    warpgroup_mma,
    warpgroup_mma_wait,
)

from dsprof.kernels.moe_wgmma_device import BLOCK_M, BLOCK_N, SUMS


@gluon.jit
def sums_of_both(
    first_scale,
    second_scale,
    steps,
    done,
    stages,
    PART: gl.constexpr,
    STAGES: gl.constexpr,
):
    """Of a tile of 128 rows: this warp group's 64, times both halves' 128 columns."""
    zero = gl.zeros([BLOCK_M, BLOCK_N], gl.float32, SUMS)
    first = zero
    second = zero
    for step in range(steps):
        stage = done % STAGES
        mbarrier.wait(stages.full.index(stage), (done // STAGES) & 1)
        fence_async_shared()
        x = stages.a.index(stage).slice(PART * BLOCK_M, BLOCK_M)
        w = stages.b.index(2 * stage).permute((1, 0))
        product = warpgroup_mma(x, w, zero, use_acc=False, is_async=True)
        # On their way while the tensor cores work.
        x_scale = stages.scales.index(stage).slice(PART * BLOCK_M, BLOCK_M)
        x_scale = x_scale.load(gl.SliceLayout(1, SUMS))
        w_first = gl.load(first_scale + step)
        w_second = gl.load(second_scale + step)
        product = warpgroup_mma_wait(0, deps=[product])
        first = _add_product(product, _scaled(x_scale, w_first), first)
        w = stages.b.index(2 * stage + 1).permute((1, 0))
        product = warpgroup_mma(x, w, zero, use_acc=False, is_async=True)
        product = warpgroup_mma_wait(0, deps=[product])
        mbarrier.arrive(stages.empty.index(stage), count=1)
        second = _add_product(product, _scaled(x_scale, w_second), second)
        done += 1
    return first, second


@gluon.jit
def sum_of_own(
    own_scale,
    steps,
    done,
    stages,
    PART: gl.constexpr,
    STAGES: gl.constexpr,
):
    """Of a tile of 64 rows: all, times the 128 columns of this warp group's half."""
    zero = gl.zeros([BLOCK_M, BLOCK_N], gl.float32, SUMS)
    total = zero
    for step in range(steps):
        stage = done % STAGES
        mbarrier.wait(stages.full.index(stage), (done // STAGES) & 1)
        fence_async_shared()
        x = stages.a.index(stage).slice(0, BLOCK_M)
        w = stages.b.index(2 * stage + PART).permute((1, 0))
        product = warpgroup_mma(x, w, zero, use_acc=False, is_async=True)
        x_scale = stages.scales.index(stage).slice(0, BLOCK_M)
        x_scale = x_scale.load(gl.SliceLayout(1, SUMS))
        w_scale = gl.load(own_scale + step)
        product = warpgroup_mma_wait(0, deps=[product])
        mbarrier.arrive(stages.empty.index(stage), count=1)
        total = _add_product(product, _scaled(x_scale, w_scale), total)
        done += 1
    return total


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
