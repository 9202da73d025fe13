"""moe_fused_gate: DeepSeek-V3's routing: the best four groups, then eight experts.

Scores are sigmoids plus a bias. A group of 32 experts is worth the sum of its two
best scores; weights are the sigmoids without the bias, renormalised and scaled
(DeepSeek-V3 Technical Report, arXiv:2412.19437, section 2.1.2).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels.providers import sgl_kernel
from dsprof.kernels.selection import (
    by_expert,
    clear_logits,
    gap_after,
    group_scores,
    in_best_groups,
    route,
)
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

if TYPE_CHECKING:
    import torch

BIAS_SCALE = 0.1  # enough to change which experts win, without deciding alone


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """Input float32 (tokens, 256), bias float32 (256); the op allocates its outputs."""
    import torch

    bias = make.normal(ds.E, dtype="float32") * BIAS_SCALE

    def gap(logits: "torch.Tensor") -> "torch.Tensor":
        scores = logits.sigmoid() + bias
        groups = gap_after(group_scores(scores, ds.EXPERT_GROUPS), ds.TOPK_GROUPS)
        return torch.minimum(groups, gap_after(in_best_groups(scores), ds.K))

    return {"input": clear_logits(make, work.tokens, gap), "bias": bias}


def call(op: "Callable[..., list[torch.Tensor]]", args: Tensors) -> Tensors:
    weights, ids = op(
        args["input"],
        args["bias"],
        num_expert_group=ds.EXPERT_GROUPS,
        topk_group=ds.TOPK_GROUPS,
        topk=ds.K,
        num_fused_shared_experts=0,
        routed_scaling_factor=ds.ROUTED_SCALING,
        apply_routed_scaling_factor_on_output=True,
    )
    return {"topk_weights": weights, "topk_ids": ids}


def reference(_work: Workload, args: Tensors) -> Tensors:
    weights, ids = route(args["input"], args["bias"])
    return {"topk_weights": weights, "topk_ids": ids.int()}


def cost(work: Workload) -> Cost:
    """Per logit 5 FLOP: negate, exp, add, divide, add bias. Top-k is not counted."""
    return Cost(
        flops={Datapath.FP32: 5 * ds.E * work.tokens},
        bytes_read=4 * ds.E * work.tokens + 4 * ds.E,
        bytes_written=(4 + 4) * ds.K * work.tokens,
    )


KERNEL = Kernel(
    name="moe_fused_gate",
    source=Source.SGL_KERNEL,
    category=Category.ROUTING,
    summary="group-limited sigmoid routing, as DeepSeek-V3 does it",
    dtype="float32",
    ops=(Op(name="topk", axes={"n": ds.E}),),
    min_compute_capability=(8, 0),
    providers=(sgl_kernel("moe_fused_gate", call),),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={"topk_weights": Tolerance(atol=1e-5, rtol=1e-3), "topk_ids": EXACT},
    cost=cost,
    traffic=Traffic(
        read=("input", "bias"),
        written=(),
        allocated_bytes=lambda work: (4 + 4) * ds.K * work.tokens,
    ),
    canonical=by_expert,
)
