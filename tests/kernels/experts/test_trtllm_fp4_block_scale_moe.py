import inspect
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dsprof.harness.check import compare
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels import nvfp4, routed
from dsprof.kernels.experts.trtllm_fp4_block_scale_moe import KERNEL
from dsprof.kernels.selection import route
from tests.kernels.conftest import Example

NAME = KERNEL.name

# As flashinfer 0.6.12 declares it.
PARAMETERS = """
routing_logits routing_bias hidden_states hidden_states_scale gemm1_weights
gemm1_weights_scale gemm1_bias gemm1_alpha gemm1_beta gemm1_clamp_limit gemm2_weights
gemm2_weights_scale gemm2_bias output1_scale_scalar output1_scale_gate_scalar
output2_scale_scalar num_experts top_k n_group topk_group intermediate_size
local_expert_offset local_num_experts routed_scaling_factor routing_method_type
do_finalize enable_pdl activation_type per_token_scale output tune_max_num_tokens
norm_topk_prob routing_replay_out
"""
REQUIRED = 24  # of them, without a default


def weight(args: dict[str, torch.Tensor], name: str, expert: int) -> torch.Tensor:
    scales = args[f"{name}_scale"][expert].double().repeat_interleave(16, dim=1)
    return nvfp4.decode(args[name][expert]).double() * scales


@pytest.mark.parametrize("experts", [32, 256])
def test_the_router_chooses_the_experts_that_cost_counts(
    example: Example, experts: int
) -> None:
    kernel, small, _ = example(NAME, tokens=40, small=True)
    groups = {32: (4, 2), 256: (8, 4)}[experts]
    axes = dict(zip(("groups", "top_groups"), groups, strict=True))
    work = replace(small, axes={**small.axes, "experts": experts, "n": 32, **axes})
    args = kernel.make_inputs(work, DeviceTensors("cpu", work.point))
    bias = args["routing_bias"].float()
    _, ids = route(args["routing_logits"], bias, 8, *groups)
    expected = torch.tensor(routed.expert_ids(40, experts, 8, *groups))
    assert torch.equal(ids.sort().values, expected.long().sort().values)


def test_the_reference_is_each_tokens_weighted_experts(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=3, small=True)
    out = kernel.reference(work, args)["output"].double()
    logits, bias = args["routing_logits"].double(), args["routing_bias"].double()
    for token in range(3):
        scores = logits[token].sigmoid()
        groups = (scores + bias).view(4, 8)
        best = groups.sort(descending=True).values[:, :2].sum(1).argsort()[-2:]
        candidates = [e for e in range(32) if e // 8 in best.tolist()]
        ids = sorted(candidates, key=lambda e: float(scores[e] + bias[e]))[-8:]
        x = nvfp4.decode(args["hidden_states"][token]).double()
        x *= args["hidden_states_scale"][token].double().repeat_interleave(16)
        total = torch.zeros(256, dtype=torch.float64)
        for expert in ids:
            both = weight(args, "gemm1_weights", expert) @ x
            up, gate = both[:128], both[128:]
            gate = gate * args["output1_scale_gate_scalar"][expert]
            inner = gate / (1 + (-gate).exp()) * up
            inner *= args["output1_scale_scalar"][expert]
            packed, scales, _ = nvfp4.quantize(inner.float(), torch.ones(()))
            inner = nvfp4.dequantize(packed, scales, 1.0).double()
            down = weight(args, "gemm2_weights", expert) @ inner
            down *= args["output2_scale_scalar"][expert]
            total += 2.5 * scores[expert] / scores[ids].sum() * down
        torch.testing.assert_close(out[token], total, rtol=1e-2, atol=5e-2)


def test_outputs_are_large_beside_the_tolerance(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=20, small=True)
    out = kernel.reference(work, args)["output"]
    assert out.abs().median().item() > 10 * kernel.tolerance["output"].atol


@pytest.mark.parametrize(
    "argument",
    ["routing_logits", "hidden_states", "gemm1_weights", "gemm2_weights"],
)
def test_another_tokens_or_experts_argument_is_caught(
    example: Example, argument: str
) -> None:
    kernel, work, args = example(NAME, tokens=3, small=True)
    expected = kernel.reference(work, args)
    got = kernel.reference(work, args | {argument: args[argument].roll(1, 0)})
    assert not compare(kernel, work, args, got, expected).passed


def test_weights_are_laid_out_once_and_the_call_names_every_argument(
    example: Example,
) -> None:
    kernel, work, args = example(NAME, tokens=2, small=True)
    given: dict[str, Any] = {}
    shuffled: list[torch.Tensor] = []

    def function(**arguments: object) -> list[torch.Tensor]:
        given.update(arguments)
        return [args["output"]]

    def flipped(matrix: torch.Tensor, *tile: int) -> torch.Tensor:
        assert tile in {(), (128,)}
        shuffled.append(matrix)
        return matrix.flip(0)

    api = SimpleNamespace(
        trtllm_fp4_block_scale_moe=function,
        reorder_rows_for_gated_act_gemm=flipped,
        shuffle_matrix_a=flipped,
        shuffle_matrix_sf_a=flipped,
    )
    run = kernel.providers[0].prepare(api, work, args)
    laid_out = len(shuffled)
    assert run()["output"] is args["output"]
    run()
    assert len(shuffled) == laid_out
    signature = inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=inspect.Parameter.empty if place < REQUIRED else None,
            )
            for place, name in enumerate(PARAMETERS.split())
        ]
    )
    signature.bind(**given)
    # Turned around twice where rows of up and gate take turns, once where not.
    assert torch.equal(given["gemm1_weights"], args["gemm1_weights"])
    assert torch.equal(given["gemm2_weights"], args["gemm2_weights"].flip(1))
    assert given["gemm2_weights_scale"].dtype == torch.float8_e4m3fn
    assert given["routing_method_type"] == 2
