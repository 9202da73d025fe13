import pytest
import torch

from tests.kernels.conftest import Example


def test_the_reference_is_a_linear_layer(example: Example) -> None:
    kernel, work, args = example("dsv3_router_gemm", tokens=3)
    expected = torch.nn.functional.linear(
        args["mat_a"].double(), args["mat_b"].double()
    )
    out = kernel.reference(work, args)["out"]
    torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=1e-5)


def test_weights_are_row_major_and_logits_fp32(example: Example) -> None:
    _, _, args = example("dsv3_router_gemm", tokens=3)
    assert args["mat_b"].shape == (256, 7168)
    assert args["mat_b"].is_contiguous()
    assert args["out"].dtype == torch.float32


def test_it_says_why_it_takes_no_17_tokens(example: Example) -> None:
    kernel, beyond, _ = example("dsv3_router_gemm", tokens=17)
    assert "at most 16 tokens" in (kernel.limit_reason(beyond) or "")


@pytest.mark.parametrize("capability", [(8, 9), (12, 0)])
def test_gpus_without_its_code_are_named(
    example: Example, capability: tuple[int, int]
) -> None:
    kernel, _, _ = example("dsv3_router_gemm", tokens=1)
    reason = kernel.capability_reason(capability) or ""
    assert f"this GPU has {capability[0]}.{capability[1]}" in reason
