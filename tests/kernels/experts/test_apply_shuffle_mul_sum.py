import pytest
import torch

from dsprof.harness.check import compare
from tests.kernels.conftest import Example

NAME = "apply_shuffle_mul_sum"


def test_the_reference_adds_each_tokens_weighted_rows(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=3)
    out = kernel.reference(work, args)["out"]
    assert out.shape == (3, 7168)
    for token in range(3):
        total = torch.zeros(7168, dtype=torch.float64)
        for slot in range(8):
            row = int(args["permutation"][token * 8 + slot])
            total += args["factors"][token, slot].double() * args["input"][row].double()
        torch.testing.assert_close(out[token].double(), total, rtol=1e-5, atol=1e-5)


def test_the_permutation_names_every_row_once(example: Example) -> None:
    _, _, args = example(NAME, tokens=9)
    assert sorted(args["permutation"].tolist()) == list(range(72))
    assert args["permutation"].tolist() != list(range(72))


def test_factors_sum_to_one(example: Example) -> None:
    _, _, args = example(NAME, tokens=9)
    assert args["factors"].float().sum(-1).tolist() == pytest.approx([1] * 9, abs=0.01)


@pytest.mark.parametrize("argument", ["permutation", "factors"])
def test_the_wrong_slot_is_caught(example: Example, argument: str) -> None:
    kernel, work, args = example(NAME, tokens=3)
    rolled = args[argument].view(3, 8).roll(1, 1).reshape(args[argument].shape)
    got = kernel.reference(work, args | {argument: rolled})
    expected = kernel.reference(work, args)
    assert not compare(kernel, work, args, got, expected).passed
