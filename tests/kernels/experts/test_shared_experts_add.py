import pytest
import torch

from dsprof.harness.check import compare
from tests.kernels.conftest import Example

NAME = "shared_experts_add"


def test_torch_writes_the_sum_into_the_buffer_it_is_given(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=3)
    provider = kernel.providers[0]
    got = provider.prepare(provider.load(), work, args)()
    assert got["out"] is args["out"]
    expected = kernel.reference(work, args)
    assert compare(kernel, work, args, got, expected).passed


@pytest.mark.parametrize("left_out", ["routed", "shared"])
def test_a_sum_without_one_of_them_fails(example: Example, left_out: str) -> None:
    kernel, work, args = example(NAME, tokens=3)
    zeroed = args | {left_out: torch.zeros_like(args[left_out])}
    got = kernel.reference(work, zeroed)
    assert not compare(kernel, work, args, got, kernel.reference(work, args)).passed
