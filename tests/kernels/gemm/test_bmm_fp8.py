import pytest
import torch

from dsprof.harness.check import compare
from tests.kernels.conftest import Example

OPS = ("q_nope * w_kc", "attn * w_vc")


@pytest.mark.parametrize("op", OPS)
def test_the_reference_is_one_scaled_product_a_head(example: Example, op: str) -> None:
    kernel, work, args = example("bmm_fp8", op=op, tokens=3)
    out = kernel.reference(work, args)["out"]
    scale = args["scale_a"].item() * args["scale_b"].item()
    for head in (0, 1, 127):
        product = args["a"][head].double() @ args["b"][head].double()
        torch.testing.assert_close(
            out[head].double(), scale * product, rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("op", OPS)
def test_operands_are_contiguous_by_head_and_b_is_column_major(
    example: Example, op: str
) -> None:
    _, work, args = example("bmm_fp8", op=op, tokens=3)
    n, k = work["n"], work["k"]
    assert args["a"].is_contiguous()
    assert args["b"].shape == (128, k, n)
    assert args["b"].transpose(1, 2).is_contiguous()
    assert {args["a"].dtype, args["b"].dtype} == {torch.float8_e4m3fn}


@pytest.mark.parametrize("scale", ["scale_a", "scale_b"])
def test_a_forgotten_scale_is_caught(example: Example, scale: str) -> None:
    kernel, work, args = example("bmm_fp8", tokens=3)
    expected = kernel.reference(work, args)
    got = {"out": expected["out"] / args[scale]}
    assert not compare(kernel, work, args, got, expected).passed
