"""Device code that the experts' Triton kernels share."""

# Triton kernels are written like this, and its decorator has no types.
# ruff: noqa: ANN001, ANN201, N803
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-any-return"

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

E4M3_MAX = tl.constexpr(448.0)
SMALLEST_AMAX = tl.constexpr(1e-10)  # keeps the scale of an all-zero group finite
SCALE_GROUP = tl.constexpr(128)  # columns, or rows and columns, that share a scale


@triton.jit
def follow(OVERLAP: tl.constexpr):
    """Wait for the kernel ahead, launched while it ran, and let the next be launched.

    Its programs take the SMs that this one's leave, and wait here in turn. Having
    waited for the kernel ahead, a kernel that ends has seen all those before it end.
    """
    if OVERLAP:
        gdc_wait()
        gdc_launch_dependents()


@triton.jit
def quantized(values, IS_INTERPRETED: tl.constexpr):
    """FP32 values in e4m3's range and one scale for each row of 128."""
    scale = tl.maximum(tl.max(tl.abs(values), axis=1), SMALLEST_AMAX) / E4M3_MAX
    values = values / scale[:, None]
    values = tl.minimum(tl.maximum(values, -E4M3_MAX), E4M3_MAX)
    if IS_INTERPRETED:
        # The interpreter cuts bits off where a GPU rounds to the nearest even code.
        # FP32's sum with 1.5 * 2^23 steps has none below a step, an eighth of the power
        # of two; codes under 2^-6 lie as close together as those above it.
        power = (values.to(tl.int32, bitcast=True) & 0x7F800000).to(
            tl.float32, bitcast=True
        )
        shift = 1.5 * 2**23 / 8 * tl.maximum(power, 2**-6)
        values = (values + shift) - shift
    return values, scale
