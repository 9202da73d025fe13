"""cutlass_scaled_fp4_mm: NVFP4 GEMM of Blackwell, to BF16.

Both operands come quantised: 4-bit codes, a scale for every 16 of them, and one factor
``alpha`` that undoes both global scales.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from dsprof.harness.device import Datapath
from dsprof.kernels import nvfp4
from dsprof.kernels.projections import projection_ops
from dsprof.kernels.providers import python_function
from dsprof.kernels.spec import (
    Category,
    Cost,
    Kernel,
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


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """Packed uint8 a (tokens, k / 2) and b (n, k / 2), their scales, FP32 alpha (1).

    Block scales are e4m3 in the tile layout, rows padded to a multiple of 128 and
    columns, one for 16 values of k, to a multiple of 4. b is quantised from a weight
    of variance 1/k, so that outputs are of order 1.
    """
    n, k = work["n"], work["k"]
    a, scales_a, global_a = nvfp4.quantize(make.normal(work.tokens, k))
    b, scales_b, global_b = nvfp4.quantize(make.normal(n, k) * k**-0.5)
    return {
        "a": a,
        "b": b,
        "block_scale_a": nvfp4.swizzle(scales_a),
        "block_scale_b": nvfp4.swizzle(scales_b),
        "alpha": (1 / (global_a * global_b)).view(1),
    }


def call(function: "Callable[..., torch.Tensor]", args: Tensors) -> Tensors:
    import torch

    out = function(
        args["a"],
        args["b"],
        args["block_scale_a"],
        args["block_scale_b"],
        args["alpha"],
        torch.bfloat16,
    )
    return {"out": out}


def call_flashinfer(function: "Callable[..., torch.Tensor]", args: Tensors) -> Tensors:
    """Hand b and its scales over as the column-major views that mm_fp4 asks for."""
    import torch

    out = function(
        args["a"],
        args["b"].T,
        args["block_scale_a"],
        args["block_scale_b"].T,
        alpha=args["alpha"],
        out_dtype=torch.bfloat16,
    )
    return {"out": out}


def reference(_work: Workload, args: Tensors) -> Tensors:
    a = _dequantize(args["a"], args["block_scale_a"])
    b = _dequantize(args["b"], args["block_scale_b"])
    return {"out": (a @ b.T).mul_(args["alpha"])}


def _dequantize(packed: "torch.Tensor", swizzled: "torch.Tensor") -> "torch.Tensor":
    """FP32 (rows, k), without the global scale."""
    rows, columns = packed.shape[0], 2 * packed.shape[1] // nvfp4.BLOCK
    scales = nvfp4.unswizzle(swizzled, rows, columns)
    return nvfp4.dequantize(packed, scales, 1.0)


def cost(work: Workload) -> Cost:
    """2nk FLOP a token; half a byte a code and a scale for 16 codes, BF16 outputs.

    Scales that pad a tile are not counted, nor are the 4 bytes of alpha.
    """
    tokens, n, k = gemm_shape(work)
    return Cost(
        flops={Datapath.FP4_TENSOR: 2 * n * k * tokens},
        bytes_read=(k // 2 + k // nvfp4.BLOCK) * (n + tokens),
        bytes_written=2 * n * tokens,
    )


def _share(rows: int, columns: int) -> Fraction:
    """Share of a scale tensor that is no padding."""
    padded_rows, padded_columns = nvfp4.padded_shape(rows, columns)
    return Fraction(rows * columns, padded_rows * padded_columns)


KERNEL = Kernel(
    name="cutlass_scaled_fp4_mm",
    source=Source.SGL_KERNEL,
    category=Category.GEMM,
    summary="NVFP4 GEMM of the quantised projections",
    dtype="nvfp4",
    ops=projection_ops(Datapath.FP4_TENSOR),
    min_compute_capability=(10, 0),  # the first with FP4 matrix units
    providers=(
        python_function(
            "sgl_kernel:cutlass_scaled_fp4_mm", call, distribution="sgl-kernel"
        ),
        python_function(
            "sglang.jit_kernel.nvfp4:cutlass_scaled_fp4_mm",
            call,
            distribution="sglang",
        ),
        python_function(
            "flashinfer.gemm:mm_fp4",
            call_flashinfer,
            distribution="flashinfer-python",
        ),
    ),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={"out": Tolerance(atol=1e-2, rtol=1e-2)},
    cost=cost,
    traffic=Traffic(
        read=("a", "b", "block_scale_a", "block_scale_b"),
        written=(),
        allocated_bytes=lambda work: 2 * work["n"] * work.tokens,
        share={
            "block_scale_a": lambda w: _share(w.tokens, w["k"] // nvfp4.BLOCK),
            "block_scale_b": lambda w: _share(w["n"], w["k"] // nvfp4.BLOCK),
        },
    ),
    shape=gemm_shape,
    small_axes={"n": 384, "k": 512},
)
