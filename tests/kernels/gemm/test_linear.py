import pytest
import torch

from dsprof.harness.check import compare
from tests.kernels.conftest import Example


def test_the_reference_is_torchs_linear(example: Example) -> None:
    kernel, work, args = example("linear", tokens=3, op="gate")
    expected = torch.nn.functional.linear(
        args["input"].double(), args["weight"].double()
    )
    out = kernel.reference(work, args)["out"]
    torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=1e-5)


def test_the_call_passes_the_check_of_the_reference(example: Example) -> None:
    kernel, work, args = example("linear", tokens=5, op="gate")
    (provider,) = kernel.providers
    got = provider.prepare(provider.load(), work, args)()
    assert got["out"].dtype == torch.bfloat16
    assert compare(kernel, work, args, got, kernel.reference(work, args)).passed


def test_outputs_are_of_order_one(example: Example) -> None:
    kernel, work, args = example("linear", tokens=8, op="fused_qkv_a_proj")
    assert kernel.reference(work, args)["out"].std().item() == pytest.approx(1, abs=0.1)


def test_it_stands_in_beyond_the_tokens_of_the_small_batch_gemms(
    example: Example,
) -> None:
    kernel, work, _ = example("linear", tokens=17, op="gate")
    assert kernel.limit_reason(work) is None
    assert {"dsv3_fused_a_gemm", "dsv3_router_gemm"} <= set(kernel.stands_in_for)
