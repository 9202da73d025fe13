"""trtllm_fp4_block_scale_moe: routing, both NVFP4 GEMMs and the weighted sum in one.

It does the work of the gate's top-k and of everything from prepare_moe_input to
apply_shuffle_mul_sum, so its time is never added to theirs.
"""

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels import grouped, nvfp4, routed
from dsprof.kernels.selection import route
from dsprof.kernels.spec import (
    Category,
    Cost,
    Kernel,
    Op,
    Provider,
    Run,
    Source,
    TensorMaker,
    Tensors,
    Tolerance,
    Traffic,
    Workload,
)

if TYPE_CHECKING:
    import torch

DEEPSEEK_V3_ROUTING = 2  # flashinfer's RoutingMethodType.DeepSeekV3
EPILOGUE_ROWS = 128  # of the output tile that the weights are shuffled for
TUNED_TOKENS = 8192  # flashinfer's default

# Logits of the experts that are to win lie near 3, of the others near -4: no bias and
# no group's second best decides between them.
LOSING, SPREAD, LEAD = -4.0, 0.25, 6.0
BIAS_SCALE = 0.02

# What brings a block's largest intermediate value, about 60 at most, below e4m3's.
INTERMEDIATE_SCALE = nvfp4.SCALE_MAX * nvfp4.CODE_MAX / 60
GATE_STD, OUT_STD = 2.0, 5.0  # so that the loose tolerance is small beside the output


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """Logits and bias, packed hidden states and weights, their scales and scalars.

    hidden_states (tokens, n / 2) has linear scales (tokens, n / 16). gemm1_weights is
    (experts, 2 * intermediate, n / 2) with the up rows before the gate rows,
    gemm2_weights (experts, n, intermediate / 2); their scales are linear as well, and
    ``prepare`` lays both out for the kernel. The FP32 scalars (experts) undo the global
    scales: of up, which is then quantised again, of gate, and of the second GEMM.
    """
    experts, n, inner = work["experts"], work["n"], work["intermediate"]
    hidden, hidden_scale = grouped.fp4_operand(make, work.tokens, n)
    gemm1, gemm1_scale = grouped.fp4_operand(make, experts, 2 * inner, n)
    gemm2, gemm2_scale = grouped.fp4_operand(make, experts, n, inner)
    of_gate = GATE_STD / (grouped.FP4_VARIANCE * n**0.5)
    gate_scalar = grouped.scales(make, experts, mean=of_gate)
    # silu(gate) * up has about the standard deviation of gate * up over 2.
    of_down = grouped.FP4_VARIANCE**0.5 * inner**0.5 * GATE_STD**2 / 2
    return {
        "routing_logits": _logits(work, make),
        "routing_bias": make.normal(experts).mul_(BIAS_SCALE),
        "hidden_states": hidden,
        "hidden_states_scale": hidden_scale,
        "gemm1_weights": gemm1,
        "gemm1_weights_scale": gemm1_scale,
        "gemm2_weights": gemm2,
        "gemm2_weights_scale": gemm2_scale,
        "output1_scale_scalar": gate_scalar * INTERMEDIATE_SCALE,
        "output1_scale_gate_scalar": gate_scalar,
        "output2_scale_scalar": grouped.scales(
            make, experts, mean=OUT_STD / of_down / INTERMEDIATE_SCALE
        ),
        "output": make.output(work.tokens, n),
    }


def _logits(work: Workload, make: TensorMaker) -> "torch.Tensor":
    """FP32 (tokens, experts) whose routing is that of ``routed`` for limited groups."""
    import torch

    logits = make.normal(work.tokens, work["experts"], dtype="float32")
    ids = make.expert_ids(work.tokens, *_routing(work)).long()
    lead = 2 * make.normal(*ids.shape, dtype="float32").sigmoid() + LEAD
    return torch.scatter_add(logits.mul_(SPREAD).add_(LOSING), 1, ids, lead)


def _routing(work: Workload) -> tuple[int, int, int, int]:
    return work["experts"], work["top_k"], work["groups"], work["top_groups"]


def prepare(api: Any, work: Workload, args: Tensors) -> Run:  # noqa: ANN401 -- loaded symbols
    import torch

    gemm1, gemm1_scale = _laid_out(
        api, args["gemm1_weights"], args["gemm1_weights_scale"], is_gated=True
    )
    gemm2, gemm2_scale = _laid_out(
        api, args["gemm2_weights"], args["gemm2_weights_scale"], is_gated=False
    )
    prepared = args | {
        "gemm1_weights": gemm1,
        "gemm1_weights_scale": gemm1_scale.view(torch.float8_e4m3fn),
        "gemm2_weights": gemm2,
        "gemm2_weights_scale": gemm2_scale.view(torch.float8_e4m3fn),
    }

    def run() -> Tensors:
        outputs = api.trtllm_fp4_block_scale_moe(
            **prepared,
            gemm1_bias=None,
            gemm1_alpha=None,
            gemm1_beta=None,
            gemm1_clamp_limit=None,
            gemm2_bias=None,
            num_experts=work["experts"],
            top_k=work["top_k"],
            n_group=work["groups"],
            topk_group=work["top_groups"],
            intermediate_size=work["intermediate"],
            local_expert_offset=0,
            local_num_experts=work["experts"],
            routed_scaling_factor=ds.ROUTED_SCALING,
            routing_method_type=DEEPSEEK_V3_ROUTING,
            do_finalize=True,
            enable_pdl=False,
            tune_max_num_tokens=max(work.tokens, TUNED_TOKENS),
        )
        return {"output": outputs[0]}

    return run


def _laid_out(
    api: Any,  # noqa: ANN401 -- loaded symbols
    weights: "torch.Tensor",
    scales: "torch.Tensor",
    *,
    is_gated: bool,
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Shuffle every expert's rows as the kernel's output tiles want them.

    Gated rows first take turns, one of up and one of gate. Scales, as bytes, are
    swizzled after they are shuffled.
    """
    import torch

    def rows(matrix: torch.Tensor) -> torch.Tensor:
        if is_gated:
            matrix = api.reorder_rows_for_gated_act_gemm(matrix)
        return matrix

    return (
        torch.stack(
            [api.shuffle_matrix_a(rows(expert), EPILOGUE_ROWS) for expert in weights]
        ),
        torch.stack(
            [
                api.shuffle_matrix_sf_a(rows(expert), EPILOGUE_ROWS).view_as(expert)
                for expert in scales.view(torch.uint8)
            ]
        ),
    )


def reference(work: Workload, args: Tensors) -> Tensors:
    """Quantise what lies between the GEMMs as the kernel does, and nothing else."""
    import torch

    experts, top_k, groups, top_groups = _routing(work)
    weights, ids = route(
        args["routing_logits"], args["routing_bias"].float(), top_k, groups, top_groups
    )
    x = nvfp4.dequantize(args["hidden_states"], args["hidden_states_scale"], 1.0)

    def weight(name: str, expert: int) -> torch.Tensor:
        scales = args[f"{name}_scale"][expert]
        return nvfp4.dequantize(args[name][expert], scales, 1.0)

    def run_expert(expert: int, rows: torch.Tensor) -> torch.Tensor:
        up, gate = (rows @ weight("gemm1_weights", expert).mT).chunk(2, dim=-1)
        gate = gate * args["output1_scale_gate_scalar"][expert]
        inner = gate.sigmoid() * gate * up * args["output1_scale_scalar"][expert]
        packed, scales, _ = nvfp4.quantize(inner, inner.new_ones(()))
        inner = nvfp4.dequantize(packed, scales, 1.0)
        out = inner @ weight("gemm2_weights", expert).mT
        return out * args["output2_scale_scalar"][expert]

    return {"output": grouped.mixture(x, run_expert, ids, weights, experts)}


def cost(work: Workload) -> Cost:
    """Both GEMMs' FLOP; what must be read and written were nothing kept in between.

    The weights of the experts that the routing touches, an FP4 row and FP32 logits a
    token in and a BF16 row out, the BF16 bias. The kernel also writes and reads the
    intermediate rows, so it moves more than this. Scalars are not counted.
    """
    tokens, n, inner = work.tokens, work["n"], work["intermediate"]
    busy = routed.distinct_experts(tokens, *_routing(work))
    return Cost(
        flops={Datapath.FP4_TENSOR: 2 * 3 * n * inner * tokens * work["top_k"]},
        bytes_read=busy * grouped.fp4_bytes(3 * n * inner)
        + (grouped.fp4_bytes(n) + 4 * work["experts"]) * tokens
        + 2 * work["experts"],
        bytes_written=2 * n * tokens,
    )


WEIGHTS = (
    "gemm1_weights",
    "gemm1_weights_scale",
    "gemm2_weights",
    "gemm2_weights_scale",
)


def _busy_share(work: Workload) -> Fraction:
    busy = routed.distinct_experts(work.tokens, *_routing(work))
    return Fraction(busy, work["experts"])


KERNEL = Kernel(
    name="trtllm_fp4_block_scale_moe",
    source=Source.FLASHINFER,
    category=Category.MOE,
    summary="the routed experts in one call, in NVFP4",
    dtype="nvfp4",
    ops=(
        Op(
            name="experts (fused)",
            axes={
                "n": ds.H,
                "intermediate": ds.I,
                "experts": ds.E,
                "top_k": ds.K,
                "groups": ds.EXPERT_GROUPS,
                "top_groups": ds.TOPK_GROUPS,
            },
        ),
    ),
    min_compute_capability=(10, 0),
    max_compute_capability=(10, 3),
    providers=(
        Provider(
            package="flashinfer",
            distribution="flashinfer-python",
            symbols=(
                "flashinfer.fused_moe:trtllm_fp4_block_scale_moe",
                "flashinfer:reorder_rows_for_gated_act_gemm",
                "flashinfer:shuffle_matrix_a",
                "flashinfer:shuffle_matrix_sf_a",
            ),
            prepare=prepare,
        ),
    ),
    make_inputs=make_inputs,
    reference=reference,
    # As flashinfer's own test of the kernel. Outputs are of order 5.
    tolerance={"output": Tolerance(atol=0.1, rtol=0.85, share=0.925)},
    cost=cost,
    traffic=Traffic(
        read=(
            "routing_logits",
            "routing_bias",
            "hidden_states",
            "hidden_states_scale",
            *WEIGHTS,
        ),
        written=("output",),
        share=dict.fromkeys(WEIGHTS, _busy_share),
    ),
    small_axes={
        "n": 256,
        "intermediate": 128,
        "experts": 32,
        "groups": 4,
        "top_groups": 2,
    },
)
