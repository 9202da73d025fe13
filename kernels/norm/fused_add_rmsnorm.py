"""fused_add_rmsnorm: add the residual, keep the sum, normalise it; all in place."""

from collections.abc import Callable

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels.providers import sgl_kernel
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
)


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """Input and residual (tokens, n), both overwritten, and weight (n).

    Repeated calls keep adding to the residual. It stays finite: the input is
    normalised by then, so the sum stops growing where BF16 rounds the addition away.
    """
    return {
        "input": make.normal(work.tokens, work["n"]),
        "residual": make.normal(work.tokens, work["n"]),
        "weight": make.normal(work["n"]),
    }


def call(op: Callable[..., None], args: Tensors) -> Tensors:
    op(
        args["input"],
        args["residual"],
        args["weight"],
        eps=ds.RMS_EPS,
        enable_pdl=False,
    )
    return {"input": args["input"], "residual": args["residual"]}


def reference(_work: Workload, args: Tensors) -> Tensors:
    total = args["input"].float() + args["residual"].float()
    inverse_rms = (total.square().mean(-1, keepdim=True) + ds.RMS_EPS).rsqrt()
    return {"input": total * inverse_rms * args["weight"].float(), "residual": total}


def cost(work: Workload) -> Cost:
    """Per row rmsnorm's 4n + 3 FLOP and n adds; both tensors are read and written."""
    tokens, n = work.tokens, work["n"]
    return Cost(
        flops={Datapath.FP32: (5 * n + 3) * tokens},
        bytes_read=2 * 2 * n * tokens + 2 * n,
        bytes_written=2 * 2 * n * tokens,
    )


KERNEL = Kernel(
    name="fused_add_rmsnorm",
    source=Source.SGL_KERNEL,
    category=Category.NORM,
    summary="residual add and RMS norm, in place",
    dtype="bfloat16",
    ops=(Op(name="post_attention_layernorm", axes={"n": ds.H}),),
    min_compute_capability=(8, 0),
    providers=(sgl_kernel("fused_add_rmsnorm", call),),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={
        "input": Tolerance(atol=1e-2, rtol=1e-2),
        "residual": Tolerance(atol=1e-2, rtol=1e-2),
    },
    cost=cost,
    traffic=Traffic(
        read=("input", "residual", "weight"), written=("input", "residual")
    ),
)
