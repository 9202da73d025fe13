"""The routed experts as one pipeline: inputs, reference, cost of every kernel of it.

Its ops are "experts (fused)", which is given each token's experts and their weights,
and "routed experts", which is given the router's logits and chooses them.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels import fp8, grouped, routed
from dsprof.kernels.spec import Cost, TensorMaker, Tensors, Traffic, Workload

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

AXES = {"n": ds.H, "intermediate": ds.I, "experts": ds.E, "top_k": ds.K}
ROUTED_AXES = {**AXES, "groups": ds.EXPERT_GROUPS, "top_groups": ds.TOPK_GROUPS}
SMALL_AXES = {"n": 256, "intermediate": 128, "experts": 32}

W2_GAIN = 4.0  # makes up for what silu and the weighted sum take: outputs of order 2


def is_routed(work: Workload) -> bool:
    """Whether a call starts from the router's logits."""
    return "groups" in work.axes


def chosen_experts(work: Workload) -> "npt.NDArray[np.int32]":
    """int32 (tokens, top_k): each token's experts, given or chosen."""
    experts, top_k = work["experts"], work["top_k"]
    if not is_routed(work):
        return routed.expert_ids(work.tokens, experts, top_k)
    groups, top_groups = work["groups"], work["top_groups"]
    return routed.routed_ids(work.tokens, experts, top_k, groups, top_groups)


def distinct_experts(work: Workload) -> int:
    """Experts that get a row, whose weights must be read."""
    import numpy as np

    return int(np.unique(chosen_experts(work)).size)


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """BF16 x and out (tokens, n), FP8 w1 and w2; the choice of experts or FP32 logits.

    w1 is (experts, n, 2 * intermediate), gate before up, w2 (experts, intermediate, n).
    Both are transposed views of what is contiguous the other way round, and so are
    their FP32 scales, one in 128 x 128. Given, ids and BF16 weights are (tokens, 8);
    chosen, logits are (tokens, experts) and the bias (experts) is zero. What an op is
    not given has no rows.
    """
    experts, n, inner = work["experts"], work["n"], work["intermediate"]
    w1, w1_scales = grouped.fp8_weights(make, experts, 2 * inner, n, mean=n**-0.5)
    w2, w2_scales = grouped.fp8_weights(
        make, experts, n, inner, mean=W2_GAIN * inner**-0.5
    )
    return {
        "x": make.normal(work.tokens, n),
        **(_logits(work, make) if is_routed(work) else _choice(work, make)),
        "w1": w1.mT,
        "w1_scales": w1_scales.mT,
        "w2": w2.mT,
        "w2_scales": w2_scales.mT,
        "out": make.output(work.tokens, n),
    }


def _choice(work: Workload, make: TensorMaker) -> Tensors:
    return {
        "logits": make.zeros(0, work["experts"], dtype="float32"),
        "bias": make.zeros(0, dtype="float32"),
        "topk_ids": grouped.expert_ids(work, make),
        "topk_weights": grouped.topk_weights(work, make).bfloat16(),
    }


def _logits(work: Workload, make: TensorMaker) -> Tensors:
    experts, top_k = work["experts"], work["top_k"]
    return {
        "logits": make.router_logits(
            work.tokens, experts, top_k, work["groups"], work["top_groups"]
        ),
        "bias": make.zeros(experts, dtype="float32"),
        "topk_ids": make.zeros(0, top_k, dtype="int32"),
        "topk_weights": make.zeros(0, top_k, dtype="bfloat16"),
    }


def route(
    op: "Callable[..., list[torch.Tensor]]", work: Workload, args: Tensors
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Call sgl_kernel's moe_fused_gate, which allocates what it returns.

    int32 ids and FP32 weights (tokens, top_k), those of a token summing to 2.5.
    """
    weights, ids = op(
        args["logits"],
        args["bias"],
        num_expert_group=work["groups"],
        topk_group=work["top_groups"],
        topk=work["top_k"],
        num_fused_shared_experts=0,
        routed_scaling_factor=ds.ROUTED_SCALING,
        apply_routed_scaling_factor_on_output=True,
    )
    return ids, weights


def routing(work: Workload, args: Tensors) -> "tuple[torch.Tensor, torch.Tensor]":
    """Each token's experts (tokens, top_k) and their FP32 weights.

    Chosen ones are those that cost is counted by, so that a call which chooses others
    has another output.
    """
    import torch

    if not is_routed(work):
        return args["topk_ids"], args["topk_weights"].float()
    ids = torch.tensor(chosen_experts(work), device=args["logits"].device)
    sigmoids = args["logits"].gather(-1, ids.long()).sigmoid()
    return ids, sigmoids / sigmoids.sum(-1, keepdim=True) * ds.ROUTED_SCALING


def reference(work: Workload, args: Tensors, *, is_fused: bool) -> Tensors:
    """Quantise both GEMMs' rows, and round to BF16 where a kernel writes BF16.

    With the activation fused into the first GEMM, its outputs and theirs stay FP32, and
    the second GEMM rounds weighted rows; else it is unweighted rows that are rounded,
    and weights are BF16.
    """
    import torch

    x = fp8.dequantize_groups(*fp8.quantize_groups(args["x"]))

    def stored(rows: "torch.Tensor") -> "torch.Tensor":
        return rows if is_fused else rows.bfloat16().float()

    def weight(name: str, expert: int) -> "torch.Tensor":
        scales = args[f"{name}_scales"][expert].mT
        return fp8.dequantize_blocks(args[name][expert].mT, scales)

    def run_expert(expert: int, rows: "torch.Tensor") -> "torch.Tensor":
        gate, up = stored(rows @ weight("w1", expert).mT).chunk(2, dim=-1)
        inner = stored(gate.sigmoid() * gate * up)
        inner = fp8.dequantize_groups(*fp8.quantize_groups(inner))
        return stored(inner @ weight("w2", expert).mT)

    ids, weights = routing(work, args)
    if not is_fused:
        weights = weights.to(torch.bfloat16).float()
    return {"out": grouped.mixture(x, run_expert, ids, weights, work["experts"])}


def cost(work: Workload) -> Cost:
    """Both GEMMs' FLOP; what must be read and written were nothing kept in between.

    The weights of the experts that get a row, with their scales, a BF16 row a token
    in and out, and its int32 ids and BF16 weights or its FP32 logits; the bias, which
    is zero, is left out. A pipeline also writes and reads what lies between its ops,
    so it moves more than this.
    """
    tokens, n, inner = work.tokens, work["n"], work["intermediate"]
    weights = grouped.fp8_weight_bytes(3 * inner, n)
    choice = 4 * work["experts"] if is_routed(work) else (4 + 2) * work["top_k"]
    return Cost(
        flops={Datapath.FP8_TENSOR: 2 * 3 * n * inner * grouped.assignments(work)},
        bytes_read=distinct_experts(work) * weights + (2 * n + choice) * tokens,
        bytes_written=2 * n * tokens,
    )


def _busy_share(work: Workload) -> Fraction:
    return Fraction(distinct_experts(work), work["experts"])


WEIGHTS = ("w1", "w1_scales", "w2", "w2_scales")

TRAFFIC = Traffic(
    read=("x", "logits", "topk_ids", "topk_weights", *WEIGHTS),
    written=("out",),
    share=dict.fromkeys(WEIGHTS, _busy_share),
)
