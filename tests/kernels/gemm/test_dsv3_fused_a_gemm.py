import math

import pytest

from tests.kernels.conftest import Example


def test_the_reference_is_a_sum_of_products(example: Example) -> None:
    kernel, work, args = example("dsv3_fused_a_gemm", tokens=2)
    out = kernel.reference(work, args)["out"]
    assert out.shape == (2, 2112)
    for token, column in [(0, 0), (1, 1535), (0, 2111)]:
        row = args["mat_a"][token].tolist()
        weights = args["mat_b"][:, column].tolist()
        total = math.fsum(a * b for a, b in zip(row, weights, strict=True))
        assert out[token, column].item() == pytest.approx(total, abs=1e-5)


def test_the_weight_is_column_major_and_its_outputs_are_of_order_one(
    example: Example,
) -> None:
    kernel, work, args = example("dsv3_fused_a_gemm", tokens=8)
    assert args["mat_b"].shape == (7168, 2112)
    assert args["mat_b"].stride() == (1, 7168)
    assert kernel.reference(work, args)["out"].std().item() == pytest.approx(1, abs=0.1)


def test_it_says_why_it_takes_no_17_tokens(example: Example) -> None:
    kernel, _, _ = example("dsv3_fused_a_gemm", tokens=1)
    _, beyond, _ = example("dsv3_fused_a_gemm", tokens=17)
    assert "at most 16 tokens" in (kernel.limit_reason(beyond) or "")


@pytest.mark.parametrize("capability", [(8, 9), (12, 0)])
def test_gpus_without_its_code_are_named(
    example: Example, capability: tuple[int, int]
) -> None:
    kernel, _, _ = example("dsv3_fused_a_gemm", tokens=1)
    reason = kernel.capability_reason(capability) or ""
    assert f"this GPU has {capability[0]}.{capability[1]}" in reason
