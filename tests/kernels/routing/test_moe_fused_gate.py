import math

import pytest
import torch

from dsprof.harness.check import compare
from tests.kernels.conftest import Example


def route(logits: list[float], bias: list[float]) -> tuple[list[int], list[float]]:
    sigmoids = [1 / (1 + math.exp(-logit)) for logit in logits]
    scores = [sigmoid + b for sigmoid, b in zip(sigmoids, bias, strict=True)]
    groups = [list(range(first, first + 32)) for first in range(0, 256, 32)]
    groups.sort(key=lambda group: -sum(sorted(scores[e] for e in group)[-2:]))
    allowed = [expert for group in groups[:4] for expert in group]
    best = sorted(allowed, key=lambda expert: -scores[expert])[:8]
    total = math.fsum(sigmoids[expert] for expert in best)
    return best, [2.5 * sigmoids[expert] / total for expert in best]


def test_the_reference_takes_four_groups_then_eight_experts(example: Example) -> None:
    kernel, work, args = example("moe_fused_gate", tokens=6)
    outputs = kernel.reference(work, args)
    for token in range(6):
        best, weights = route(args["input"][token].tolist(), args["bias"].tolist())
        assert outputs["topk_ids"][token].tolist() == best
        assert outputs["topk_weights"][token].tolist() == pytest.approx(
            weights, rel=1e-5
        )


def test_ignoring_the_groups_is_caught(example: Example) -> None:
    kernel, work, args = example("moe_fused_gate", tokens=6)
    sigmoids = args["input"].sigmoid()
    ids = (sigmoids + args["bias"]).topk(8).indices
    weights = sigmoids.gather(-1, ids)
    got = {
        "topk_ids": ids.int(),
        "topk_weights": 2.5 * weights / weights.sum(-1, keepdim=True),
    }
    expected = kernel.reference(work, args)
    assert not compare(kernel, work, args, got, expected).passed


def test_an_expert_of_a_dropped_group_is_never_chosen(example: Example) -> None:
    kernel, work, args = example("moe_fused_gate", tokens=32)
    ids = kernel.reference(work, args)["topk_ids"]
    groups = [len(set((row // 32).tolist())) for row in ids]
    assert max(groups) <= 4
    assert torch.all((ids >= 0) & (ids < 256))
