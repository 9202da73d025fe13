"""dsv3_router_gemm: the MoE router's logits in one low-latency GEMM."""

from collections.abc import Callable

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels.providers import sgl_kernel
from dsprof.kernels.spec import (
    Category,
    Cost,
    Kernel,
    Limit,
    Op,
    Source,
    TensorMaker,
    Tensors,
    Tolerance,
    Traffic,
    Workload,
    gemm_shape,
)

MAX_TOKENS = 16


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """mat_a (tokens, k), mat_b (n, k) row-major, out (tokens, n) in FP32.

    Weights have variance 1/k, so that logits are of order 1. The router's output is
    FP32, because routing compares close scores.
    """
    n, k = work["n"], work["k"]
    return {
        "mat_a": make.normal(work.tokens, k),
        "mat_b": make.normal(n, k) * k**-0.5,
        "out": make.output(work.tokens, n, dtype="float32"),
    }


def call(op: Callable[..., None], args: Tensors) -> Tensors:
    op(args["out"], args["mat_a"], args["mat_b"])
    return {"out": args["out"]}


def reference(_work: Workload, args: Tensors) -> Tensors:
    return {"out": args["mat_a"].float() @ args["mat_b"].float().T}


def cost(work: Workload) -> Cost:
    """2nk FLOP a token; BF16 weights and inputs, FP32 outputs, each once."""
    tokens, n, k = gemm_shape(work)
    return Cost(
        flops={Datapath.BF16_TENSOR: 2 * n * k * tokens},
        bytes_read=2 * n * k + 2 * k * tokens,
        bytes_written=4 * n * tokens,
    )


KERNEL = Kernel(
    name="dsv3_router_gemm",
    source=Source.SGL_KERNEL,
    category=Category.GEMM,
    summary="low-latency BF16 GEMM to the router's FP32 logits",
    dtype="bfloat16",
    ops=(Op(name="gate", axes={"n": ds.E, "k": ds.H}),),
    min_compute_capability=(9, 0),
    max_compute_capability=(11, 0),  # not built for sm_120
    providers=(sgl_kernel("dsv3_router_gemm", call),),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={"out": Tolerance(atol=1e-3, rtol=1e-2)},
    cost=cost,
    traffic=Traffic(read=("mat_a", "mat_b"), written=("out",)),
    shape=gemm_shape,
    limits=(
        Limit(
            allows=lambda work: work.tokens <= MAX_TOKENS,
            reason=(
                "dsv3_router_gemm is written for small decode batches and takes at "
                "most 16 tokens; above that, serving calls a plain BF16 GEMM."
            ),
        ),
    ),
)
