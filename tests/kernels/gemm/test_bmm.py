import pytest
import torch

from dsprof.harness.check import compare
from dsprof.harness.device import Datapath
from tests.kernels.conftest import Example

OPS = ("q_nope * w_kc", "attn * w_vc")


@pytest.mark.parametrize("op", OPS)
def test_torchs_own_function_passes_the_check(example: Example, op: str) -> None:
    kernel, work, args = example("bmm", op=op, tokens=3)
    expected = kernel.reference(work, args)
    (provider,) = kernel.providers
    got = provider.prepare(provider.load(), work, args)()
    assert got["out"] is args["out"]
    assert compare(kernel, work, args, got, expected).passed


@pytest.mark.parametrize("op", OPS)
def test_the_reference_is_one_product_a_head(example: Example, op: str) -> None:
    kernel, work, args = example("bmm", op=op, tokens=3)
    out = kernel.reference(work, args)["out"]
    for head in (0, 1, 127):
        product = args["a"][head].double() @ args["b"][head].double()
        torch.testing.assert_close(out[head].double(), product, rtol=1e-5, atol=1e-5)


def test_activations_lie_token_by_token_and_weights_column_by_column(
    example: Example,
) -> None:
    _, _, absorb = example("bmm", op="q_nope * w_kc", tokens=3)
    assert absorb["a"].shape == (128, 3, 128)
    assert absorb["a"].stride() == (192, 24_576, 1)
    assert absorb["b"].shape == (128, 128, 512)
    assert absorb["b"].transpose(1, 2).is_contiguous()
    assert absorb["out"].is_contiguous()
    _, _, expand = example("bmm", op="attn * w_vc", tokens=3)
    assert expand["a"].shape == (128, 3, 512)
    assert expand["a"].stride() == (512, 65_536, 1)
    assert expand["b"].shape == (128, 512, 128)
    assert expand["out"].stride() == (128, 16_384, 1)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("tokens", [1, 16, 128])
def test_both_products_cost_the_same(example: Example, op: str, tokens: int) -> None:
    kernel, work, _ = example("bmm", op=op, tokens=tokens)
    cost = kernel.cost(work)
    # 128 heads of 2 * 128 * 512 FLOP; 128 * 512 BF16 of weights, 640 of operands.
    assert cost.flops == {Datapath.BF16_TENSOR: 16_777_216 * tokens}
    assert cost.bytes_read + cost.bytes_written == 16_777_216 + 163_840 * tokens
