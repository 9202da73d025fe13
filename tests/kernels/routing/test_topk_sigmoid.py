import math

import pytest

from dsprof.harness.check import compare
from tests.kernels.conftest import Example


def test_the_reference_chooses_with_the_bias_and_weighs_without(
    example: Example,
) -> None:
    kernel, work, args = example("topk_sigmoid", tokens=3)
    outputs = kernel.reference(work, args)
    bias = args["correction_bias"].tolist()
    for token in range(3):
        logits = args["gating_output"][token].tolist()
        scores = [1 / (1 + math.exp(-logit)) for logit in logits]
        best = sorted(range(256), key=lambda e: -scores[e] - bias[e])[:8]
        total = math.fsum(scores[expert] for expert in best)
        weights = [scores[expert] / total for expert in best]
        assert outputs["topk_ids"][token].tolist() == best
        assert outputs["topk_weights"][token].tolist() == pytest.approx(
            weights, rel=1e-5
        )


def test_leaving_out_the_bias_is_caught(example: Example) -> None:
    kernel, work, args = example("topk_sigmoid", tokens=3)
    unbiased = args | {"correction_bias": args["correction_bias"] * 0}
    got = kernel.reference(work, unbiased)
    expected = kernel.reference(work, args)
    assert not compare(kernel, work, args, got, expected).passed
