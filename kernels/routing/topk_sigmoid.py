"""topk_sigmoid: the eight largest biased sigmoids, weighted without the bias."""

from collections.abc import Callable

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels.providers import sgl_kernel
from dsprof.kernels.selection import by_expert, clear_logits, gap_after
from dsprof.kernels.spec import (
    EXACT,
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

BIAS_SCALE = 0.1  # enough to change which experts win, without deciding alone


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """gating_output float32 (tokens, 256), correction_bias float32 (256), and outputs.

    topk_weights and topk_ids are (tokens, 8).
    """
    bias = make.normal(ds.E, dtype="float32") * BIAS_SCALE
    return {
        "gating_output": clear_logits(
            make,
            work.tokens,
            gap=lambda logits: gap_after(logits.sigmoid() + bias, ds.K),
        ),
        "correction_bias": bias,
        "topk_weights": make.output(work.tokens, ds.K, dtype="float32"),
        "topk_ids": make.output(work.tokens, ds.K, dtype="int32"),
    }


def call(op: Callable[..., None], args: Tensors) -> Tensors:
    op(
        args["topk_weights"],
        args["topk_ids"],
        args["gating_output"],
        renormalize=True,
        correction_bias=args["correction_bias"],
    )
    return {"topk_weights": args["topk_weights"], "topk_ids": args["topk_ids"]}


def reference(_work: Workload, args: Tensors) -> Tensors:
    scores = args["gating_output"].sigmoid()
    ids = (scores + args["correction_bias"]).topk(ds.K, dim=-1).indices
    weights = scores.gather(-1, ids)
    return {
        "topk_weights": weights / weights.sum(-1, keepdim=True),
        "topk_ids": ids.int(),
    }


def cost(work: Workload) -> Cost:
    """Per logit 5 FLOP: negate, exp, add, divide, add bias. Top-k is not counted."""
    return Cost(
        flops={Datapath.FP32: 5 * ds.E * work.tokens},
        bytes_read=4 * ds.E * work.tokens + 4 * ds.E,
        bytes_written=(4 + 4) * ds.K * work.tokens,
    )


KERNEL = Kernel(
    name="topk_sigmoid",
    source=Source.SGL_KERNEL,
    category=Category.ROUTING,
    summary="sigmoid routing to the top 8 of 256 experts",
    dtype="float32",
    ops=(Op(name="topk", axes={"n": ds.E}),),
    min_compute_capability=(8, 0),
    providers=(sgl_kernel("topk_sigmoid", call),),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={"topk_weights": Tolerance(atol=1e-5, rtol=1e-3), "topk_ids": EXACT},
    cost=cost,
    traffic=Traffic(
        read=("gating_output", "correction_bias"), written=("topk_weights", "topk_ids")
    ),
    canonical=by_expert,
)
