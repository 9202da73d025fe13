"""fp8_scaled_mm: FP8 GEMM with a scale a token and a scale an output channel."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from dsprof.harness.device import Datapath
from dsprof.kernels import fp8
from dsprof.kernels.projections import projection_ops
from dsprof.kernels.providers import sgl_kernel
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
    """e4m3 mat_a (tokens, k) and mat_b (k, n) column-major, a scale a row and column.

    scales_a is (tokens, 1), scales_b (n, 1), FP32. mat_b is the transposed view of a
    weight (n, k) of variance 1/k, so that outputs are of order 1.
    """
    n, k = work["n"], work["k"]
    mat_a, scales_a = fp8.quantize_rows(make.normal(work.tokens, k))
    weight, scales_b = fp8.quantize_rows(make.normal(n, k) * k**-0.5)
    return {
        "mat_a": mat_a,
        "mat_b": weight.T,
        "scales_a": scales_a * fp8.spread(make, *scales_a.shape),
        "scales_b": scales_b * fp8.spread(make, *scales_b.shape),
    }


def call(op: "Callable[..., torch.Tensor]", args: Tensors) -> Tensors:
    import torch

    out = op(
        args["mat_a"],
        args["mat_b"],
        args["scales_a"],
        args["scales_b"],
        torch.bfloat16,
        None,  # no bias
    )
    return {"out": out}


def reference(_work: Workload, args: Tensors) -> Tensors:
    product = args["mat_a"].float() @ args["mat_b"].float()
    return {"out": product.mul_(args["scales_a"]).mul_(args["scales_b"].T)}


def cost(work: Workload) -> Cost:
    """2nk FLOP a token; FP8 operands with their FP32 scales, BF16 outputs."""
    tokens, n, k = gemm_shape(work)
    return Cost(
        flops={Datapath.FP8_TENSOR: 2 * n * k * tokens},
        bytes_read=(k + 4) * (n + tokens),
        bytes_written=2 * n * tokens,
    )


KERNEL = Kernel(
    name="fp8_scaled_mm",
    source=Source.SGL_KERNEL,
    category=Category.GEMM,
    summary="FP8 GEMM scaled by token and channel",
    dtype="float8_e4m3fn",
    ops=projection_ops(Datapath.FP8_TENSOR),
    min_compute_capability=(8, 9),
    providers=(sgl_kernel("fp8_scaled_mm", call),),
    make_inputs=make_inputs,
    reference=reference,
    # Hopper's FP8 units add in about 14 bits (DeepSeek-V3 report, section 3.3.2), and
    # this kernel leaves the whole of k to them: 0.03 was seen at k = 16384.
    tolerance={"out": Tolerance(atol=5e-2, rtol=5e-2)},
    cost=cost,
    traffic=Traffic(
        read=("mat_a", "mat_b", "scales_a", "scales_b"),
        written=(),
        allocated_bytes=lambda work: 2 * work["n"] * work.tokens,
    ),
    shape=gemm_shape,
    stands_in_for=("cutlass_scaled_fp4_mm",),
    small_axes={"n": 384, "k": 512},
)
