"""linear: a BF16 projection through cuBLAS, as torch calls it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels.projections import projection_ops
from dsprof.kernels.providers import torch_function
from dsprof.kernels.spec import (
    Category,
    Cost,
    Kernel,
    Op,
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
    """Input (tokens, k) and weight (n, k), both BF16.

    Weights have variance 1/k, so that outputs are of order 1.
    """
    n, k = work["n"], work["k"]
    return {
        "input": make.normal(work.tokens, k),
        "weight": make.normal(n, k) * k**-0.5,
    }


def call(function: "Callable[..., torch.Tensor]", args: Tensors) -> Tensors:
    return {"out": function(args["input"], args["weight"])}


def reference(_work: Workload, args: Tensors) -> Tensors:
    return {"out": args["input"].float() @ args["weight"].float().T}


def cost(work: Workload) -> Cost:
    """2nk FLOP a token; BF16 weights, inputs and outputs, each once."""
    tokens, n, k = gemm_shape(work)
    return Cost(
        flops={Datapath.BF16_TENSOR: 2 * n * k * tokens},
        bytes_read=2 * n * k + 2 * k * tokens,
        bytes_written=2 * n * tokens,
    )


KERNEL = Kernel(
    name="linear",
    source=Source.TORCH,
    category=Category.GEMM,
    summary="BF16 GEMM of cuBLAS",
    dtype="bfloat16",
    ops=(
        *projection_ops(Datapath.BF16_TENSOR),
        Op(name="gate", axes={"n": ds.E, "k": ds.H}),
    ),
    min_compute_capability=(8, 0),
    providers=(torch_function("torch.nn.functional:linear", call),),
    make_inputs=make_inputs,
    reference=reference,
    # Where cuBLAS splits k, torch lets it add the parts in BF16.
    tolerance={"out": Tolerance(atol=1e-2, rtol=1e-2)},
    cost=cost,
    traffic=Traffic(
        read=("input", "weight"),
        written=(),
        allocated_bytes=lambda work: 2 * work["n"] * work.tokens,
    ),
    shape=gemm_shape,
    stands_in_for=("dsv3_fused_a_gemm", "dsv3_router_gemm", "cutlass_scaled_fp4_mm"),
    small_axes={"n": 384, "k": 512},
)
