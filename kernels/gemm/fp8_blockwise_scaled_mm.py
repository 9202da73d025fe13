"""fp8_blockwise_scaled_mm: FP8 GEMM scaled by 1 x 128 and 128 x 128 blocks.

This is how DeepSeek-R1's own checkpoint is quantised.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from dsprof.harness.device import Datapath
from dsprof.kernels import fp8
from dsprof.kernels.projections import projection_ops
from dsprof.kernels.providers import sgl_kernel
from dsprof.kernels.spec import (
    Category,
    Cost,
    Kernel,
    Limit,
    Source,
    TensorMaker,
    Tensors,
    Tolerance,
    Traffic,
    Workload,
    gemm_shape,
)

if TYPE_CHECKING:
    import torch

ROW_MULTIPLE = 4  # 16 bytes of a scale column


def padded_rows(work: Workload) -> int:
    return -(-work.tokens // ROW_MULTIPLE) * ROW_MULTIPLE


def token_share(work: Workload) -> Fraction:
    """Share of the rows that the product needs."""
    return Fraction(work.tokens, padded_rows(work))


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """e4m3 mat_a (rows, k) and mat_b (k, n) column-major, FP32 scales by block.

    scales_a is (rows, k / 128) column-major; scales_b (k / 128, n / 128) and mat_b are
    transposed views. Rows are the tokens in a multiple of four: the op would first
    copy anything else into padded buffers, and the GEMM alone is to be timed. Rows
    beyond the tokens hold values like any other, and their products are checked but
    not counted. Weights have variance 1/k.
    """
    rows, n, k = padded_rows(work), work["n"], work["k"]
    mat_a, scales_a = fp8.quantize_groups(make.normal(rows, k))
    weight, scales_b = fp8.quantize_blocks(make.normal(n, k) * k**-0.5)
    scales_a = scales_a * fp8.spread(make, *scales_a.shape)
    scales_b = scales_b * fp8.spread(make, *scales_b.shape)
    return {
        "mat_a": mat_a,
        "mat_b": weight.T,
        "scales_a": scales_a.T.contiguous().T,
        "scales_b": scales_b.T,
    }


def call(op: "Callable[..., torch.Tensor]", args: Tensors) -> Tensors:
    import torch

    out = op(
        args["mat_a"],
        args["mat_b"],
        args["scales_a"],
        args["scales_b"],
        torch.bfloat16,
    )
    return {"out": out}


def reference(_work: Workload, args: Tensors) -> Tensors:
    a = fp8.dequantize_groups(args["mat_a"], args["scales_a"])
    weight = fp8.dequantize_blocks(args["mat_b"].T, args["scales_b"].T)
    return {"out": a @ weight.T}


def cost(work: Workload) -> Cost:
    """2nk FLOP a token; FP8 operands with their FP32 scales, BF16 outputs."""
    tokens, n, k = gemm_shape(work)
    groups = k // fp8.GROUP
    blocks = -(-n // fp8.GROUP) * groups
    return Cost(
        flops={Datapath.FP8_TENSOR: 2 * n * k * tokens},
        bytes_read=n * k + 4 * blocks + (k + 4 * groups) * tokens,
        bytes_written=2 * n * tokens,
    )


KERNEL = Kernel(
    name="fp8_blockwise_scaled_mm",
    source=Source.SGL_KERNEL,
    category=Category.GEMM,
    summary="FP8 GEMM scaled by 1 x 128 and 128 x 128 blocks",
    dtype="float8_e4m3fn",
    ops=projection_ops(Datapath.FP8_TENSOR),
    min_compute_capability=(9, 0),
    providers=(sgl_kernel("fp8_blockwise_scaled_mm", call),),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={"out": Tolerance(atol=1e-2, rtol=1e-2)},
    cost=cost,
    traffic=Traffic(
        read=("mat_a", "mat_b", "scales_a", "scales_b"),
        written=(),
        allocated_bytes=lambda work: 2 * work["n"] * work.tokens,
        share={"mat_a": token_share, "scales_a": token_share},
    ),
    shape=gemm_shape,
    limits=(
        Limit(
            allows=lambda work: work["n"] % fp8.GROUP == 0,
            reason=(
                "fp8_blockwise_scaled_mm takes whole blocks of 128 output features "
                "only; serving runs other widths with another kernel."
            ),
        ),
    ),
    stands_in_for=("cutlass_scaled_fp4_mm",),
    small_axes={"n": 384, "k": 512},
)
