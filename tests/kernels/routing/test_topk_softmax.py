import math

import pytest

from tests.kernels.conftest import Example


def test_the_reference_takes_the_largest_and_makes_them_sum_to_one(
    example: Example,
) -> None:
    kernel, work, args = example("topk_softmax", tokens=3)
    outputs = kernel.reference(work, args)
    for token in range(3):
        logits = args["gating_output"][token].tolist()
        best = sorted(range(256), key=lambda expert: -logits[expert])[:8]
        total = math.fsum(math.exp(logits[expert]) for expert in best)
        weights = [math.exp(logits[expert]) / total for expert in best]
        assert outputs["topk_ids"][token].tolist() == best
        assert outputs["topk_weights"][token].tolist() == pytest.approx(
            weights, rel=1e-5
        )
