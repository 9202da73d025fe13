"""moe_sum_reduce: adds each token's eight expert rows and scales the sum."""

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
    """BF16 input (tokens, 8, n), one row a slot and already weighted; output."""
    tokens, n = work.tokens, work["n"]
    return {
        "input": make.normal(tokens, work["top_k"], n),
        "output": make.output(tokens, n),
    }


def call(op: Callable[..., None], args: Tensors) -> Tensors:
    op(args["input"], args["output"], ds.ROUTED_SCALING)
    return {"output": args["output"]}


def reference(_work: Workload, args: Tensors) -> Tensors:
    import torch

    total = args["input"].sum(1, dtype=torch.float32)
    return {"output": total.mul_(ds.ROUTED_SCALING)}


def cost(work: Workload) -> Cost:
    """Seven adds and a multiply an output; BF16 rows in, one a slot, and one out."""
    tokens, n, top_k = work.tokens, work["n"], work["top_k"]
    return Cost(
        flops={Datapath.FP32: n * top_k * tokens},
        bytes_read=2 * n * top_k * tokens,
        bytes_written=2 * n * tokens,
    )


KERNEL = Kernel(
    name="moe_sum_reduce",
    source=Source.SGL_KERNEL,
    category=Category.MOE,
    summary="scaled sum of each token's expert outputs",
    dtype="bfloat16",
    ops=(Op(name="experts", axes={"n": ds.H, "top_k": ds.K}),),
    min_compute_capability=(8, 0),
    providers=(sgl_kernel("moe_sum_reduce", call),),
    make_inputs=make_inputs,
    reference=reference,
    # Outputs are of order 7. The FP32 sum is rounded once, to BF16.
    tolerance={"output": Tolerance(atol=1e-2, rtol=1e-2)},
    cost=cost,
    traffic=Traffic(read=("input",), written=("output",)),
)
