from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dsprof.harness.check import compare
from dsprof.kernels import fp8, grouped
from dsprof.kernels.experts.fp8_moe import KERNEL, OPS
from dsprof.kernels.selection import route
from tests.kernels.conftest import Example

NAME = KERNEL.name
NINE = [
    "prepare_moe_input",
    "sgl_per_token_group_quant_8bit_v2",
    "shuffle_rows",
    "shuffle_rows",
    "fp8_blockwise_scaled_grouped_mm",
    "silu_and_mul",
    "sgl_per_token_group_quant_8bit_v2",
    "fp8_blockwise_scaled_grouped_mm",
    "apply_shuffle_mul_sum",
]


def weight(args: dict[str, torch.Tensor], name: str, expert: int) -> torch.Tensor:
    """Return (n, k) in FP64."""
    scales = args[f"{name}_scales"][expert].double()
    scales = scales.repeat_interleave(128, 0).repeat_interleave(128, 1)
    return (args[name][expert].double() * scales).mT


def quantized(x: torch.Tensor) -> torch.Tensor:
    return fp8.dequantize_groups(*fp8.quantize_groups(x.float())).double()


def test_the_reference_is_each_tokens_weighted_experts(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=3, small=True)
    out = kernel.reference(work, args)["out"].double()
    for token in range(3):
        x = quantized(args["x"][token])
        total = torch.zeros(256, dtype=torch.float64)
        for slot, expert in enumerate(args["topk_ids"][token].tolist()):
            both = (weight(args, "w1", expert) @ x).bfloat16().double()
            gate, up = both[:128], both[128:]
            inner = quantized((gate / (1 + (-gate).exp()) * up).bfloat16())
            down = (weight(args, "w2", expert) @ inner).bfloat16().double()
            total += args["topk_weights"][token, slot].double() * down
        torch.testing.assert_close(out[token], total, rtol=1e-2, atol=2e-2)


def test_outputs_are_of_order_two(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=20, small=True)
    assert 1 < kernel.reference(work, args)["out"].std().item() < 4


@pytest.mark.parametrize("argument", ["x", "topk_ids", "topk_weights"])
def test_another_tokens_argument_is_caught(example: Example, argument: str) -> None:
    kernel, work, args = example(NAME, tokens=3, small=True)
    expected = kernel.reference(work, args)
    got = kernel.reference(work, args | {argument: args[argument].roll(1, 0)})
    assert not compare(kernel, work, args, got, expected).passed


@pytest.mark.parametrize("argument", ["w1_scales", "w2_scales"])
def test_a_dropped_expert_is_caught(example: Example, argument: str) -> None:
    kernel, work, args = example(NAME, tokens=3, small=True)
    expected = kernel.reference(work, args)
    scales = args[argument].clone()
    scales[args["topk_ids"][1, 2].long()] = 0
    got = kernel.reference(work, args | {argument: scales})
    assert not compare(kernel, work, args, got, expected).passed


class TorchOps:
    """The ops of the pipeline in torch, with the signatures of sglang-kernel 0.4.4."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def api(self) -> SimpleNamespace:
        def recorded(name: str) -> Any:  # noqa: ANN401 -- an op
            def op(*args: Any, **named: Any) -> Any:  # noqa: ANN401 -- its arguments
                self.called.append(name)
                return getattr(self, name)(*args, **named)

            return op

        return SimpleNamespace(**{name: recorded(name) for name in OPS})

    def moe_fused_gate(
        self,
        logits: torch.Tensor,
        bias: torch.Tensor,
        **named: Any,  # noqa: ANN401
    ) -> list[torch.Tensor]:
        assert named["num_fused_shared_experts"] == 0
        assert named["routed_scaling_factor"] == 2.5
        assert named["apply_routed_scaling_factor_on_output"]
        limits = (named["topk"], named["num_expert_group"], named["topk_group"])
        weights, ids = route(logits, bias, *limits)
        return [weights, ids.int()]

    def prepare_moe_input(self, *args: Any) -> None:  # noqa: ANN401
        ids, first_rows, scale_rows, sizes1, sizes2, token_of_row, row_of, *rest = args
        experts, inner, n = rest
        assert scale_rows is None
        order, offsets = grouped.by_expert(ids, experts)
        first_rows.copy_(offsets)
        sizes1.copy_(grouped.problem_sizes(offsets, 2 * inner, n))
        sizes2.copy_(grouped.problem_sizes(offsets, n, inner))
        token_of_row.copy_(order // ids.shape[1])
        row_of.copy_(order.argsort())

    def sgl_per_token_group_quant_8bit_v2(self, *args: Any) -> None:  # noqa: ANN401
        x, codes, scales, group, eps, low, high, is_ue8m0, has_silu, masked = args
        assert (group, eps, low, high) == (128, 1e-10, -448.0, 448.0)
        assert (is_ue8m0, has_silu, masked) == (False, False, None)
        for out, computed in zip((codes, scales), fp8.quantize_groups(x), strict=True):
            out.copy_(computed)

    def shuffle_rows(self, *args: Any) -> None:  # noqa: ANN401
        source, token_of_row, out = args
        out.copy_(source.float()[token_of_row.long()])

    def fp8_blockwise_scaled_grouped_mm(self, *args: Any) -> None:  # noqa: ANN401
        out, a, b, scales_a, scales_b = args[0], *args[6:10]
        sizes, first_rows = args[15:17]
        for expert, (m, n, k) in enumerate(sizes.tolist()):
            rows = slice(int(first_rows[expert]), int(first_rows[expert]) + m)
            w = fp8.dequantize_blocks(b[expert].mT, scales_b[expert].mT)
            assert w.shape == (n, k)
            out[rows] = fp8.dequantize_groups(a[rows], scales_a[rows]) @ w.mT

    def silu_and_mul(self, *args: Any) -> None:  # noqa: ANN401
        out, x = args
        gate, up = x.float().chunk(2, dim=-1)
        out.copy_(torch.nn.functional.silu(gate) * up)

    def apply_shuffle_mul_sum(self, *args: Any) -> None:  # noqa: ANN401
        rows, out, row_of, factors = args
        by_slot = rows.float()[row_of.long()].view(*factors.shape, -1)
        out.copy_((by_slot * factors.float().unsqueeze(-1)).sum(1))


@pytest.mark.parametrize("tokens", [1, 7])
def test_the_ops_in_their_order_give_the_reference(
    example: Example, tokens: int
) -> None:
    kernel, work, args = example(NAME, tokens=tokens, small=True)
    ops = TorchOps()
    got = kernel.providers[0].prepare(ops.api(), work, args)()
    assert got["out"] is args["out"]
    expected = kernel.reference(work, args)
    assert compare(kernel, work, args, got, expected).passed
    assert ops.called == NINE


def test_from_logits_the_router_comes_first(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=5, op="routed experts", small=True)
    ops = TorchOps()
    got = kernel.providers[0].prepare(ops.api(), work, args)()
    expected = kernel.reference(work, args)
    assert compare(kernel, work, args, got, expected).passed
    assert ops.called == ["moe_fused_gate", *NINE]


def test_another_choice_of_experts_is_caught(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=5, op="routed experts", small=True)
    other = args | {"logits": args["logits"].roll(1, 0)}
    got = kernel.providers[0].prepare(TorchOps().api(), work, other)()
    assert not compare(kernel, work, args, got, kernel.reference(work, args)).passed
