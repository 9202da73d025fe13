"""apply_shuffle_mul_sum: each token's eight expert rows, weighted and summed."""

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
    """Input (tokens * 8, n) sorted by expert, permutation, factors, out (tokens, n).

    Permutation int32 (tokens * 8) has the input row of each (token, slot); factors
    (tokens, 8) are its BF16 weights: sigmoids, renormalised, as DeepSeek routes.
    """
    tokens, n = work.tokens, work["n"]
    experts = make.expert_ids(tokens, ds.E, ds.K).flatten()
    sigmoids = make.normal(tokens, ds.K, dtype="float32").sigmoid()
    return {
        "input": make.normal(tokens * ds.K, n),
        # The inverse of a sort's order is where each element went.
        "permutation": experts.argsort(stable=True).argsort().int(),
        "factors": (sigmoids / sigmoids.sum(-1, keepdim=True)).bfloat16(),
        "out": make.output(tokens, n),
    }


def call(op: Callable[..., None], args: Tensors) -> Tensors:
    op(args["input"], args["out"], args["permutation"], args["factors"])
    return {"out": args["out"]}


def reference(work: Workload, args: Tensors) -> Tensors:
    import torch

    rows = args["permutation"].long().view(work.tokens, ds.K)
    factors = args["factors"].float()
    out = torch.zeros(work.tokens, work["n"], device=factors.device)
    # One slot at a time: all eight in FP32 would take 3.8 GB at 16384 tokens.
    for slot in range(ds.K):
        out.addcmul_(factors[:, slot, None], args["input"][rows[:, slot]].float())
    return {"out": out}


def cost(work: Workload) -> Cost:
    """A multiply and an add an input element; BF16 data and factors, int32 rows."""
    tokens, n = work.tokens, work["n"]
    return Cost(
        flops={Datapath.FP32: 2 * n * ds.K * tokens},
        bytes_read=(2 * n + 4 + 2) * ds.K * tokens,
        bytes_written=2 * n * tokens,
    )


KERNEL = Kernel(
    name="apply_shuffle_mul_sum",
    source=Source.SGL_KERNEL,
    category=Category.MOE,
    summary="weighted sum of each token's expert outputs",
    dtype="bfloat16",
    ops=(Op(name="experts", axes={"n": ds.H}),),
    min_compute_capability=(8, 0),
    providers=(sgl_kernel("apply_shuffle_mul_sum", call),),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={"out": Tolerance(atol=1e-2, rtol=1e-2)},
    cost=cost,
    traffic=Traffic(read=("input", "permutation", "factors"), written=("out",)),
)
