import pytest
import torch

from dsprof.harness.check import compare
from tests.kernels.conftest import Example

NAME = "shuffle_rows"
OPS = ("experts", "experts (scales)")


@pytest.mark.parametrize("op", OPS)
def test_each_row_is_that_of_the_token_it_is_mapped_to(
    example: Example, op: str
) -> None:
    kernel, work, args = example(NAME, op=op, tokens=3)
    output = kernel.reference(work, args)["output"]
    assert len(output) == 24
    for row, token in zip(output, args["dst2src_map"].tolist(), strict=True):
        assert torch.equal(row, args["input"][token].float())


def test_every_token_comes_once_for_each_of_its_experts_in_their_order(
    example: Example,
) -> None:
    _, _, args = example(NAME, tokens=5)
    tokens = args["dst2src_map"].tolist()
    assert sorted(tokens) == sorted([*range(5)] * 8)
    assert tokens != sorted(tokens)


@pytest.mark.parametrize("op", OPS)
def test_the_map_the_other_way_round_fails(example: Example, op: str) -> None:
    kernel, work, args = example(NAME, op=op, tokens=3)
    turned = args | {"dst2src_map": args["dst2src_map"].flip(0)}
    got = kernel.reference(work, turned)
    assert not compare(kernel, work, args, got, kernel.reference(work, args)).passed
