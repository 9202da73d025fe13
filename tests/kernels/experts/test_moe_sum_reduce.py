import pytest
import torch

from dsprof.harness.check import compare
from tests.kernels.conftest import Example

NAME = "moe_sum_reduce"


def test_the_reference_adds_the_slots_and_scales_their_sum(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=3)
    total = torch.zeros(3, 7168, dtype=torch.float64)
    for slot in range(8):
        total += args["input"][:, slot].double()
    torch.testing.assert_close(
        kernel.reference(work, args)["output"].double(),
        2.5 * total,
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("slot", range(8))
def test_a_slot_that_is_left_out_fails(example: Example, slot: int) -> None:
    kernel, work, args = example(NAME, tokens=3)
    expected = kernel.reference(work, args)
    got = {"output": expected["output"] - 2.5 * args["input"][:, slot].float()}
    assert not compare(kernel, work, args, got, expected).passed


def test_a_forgotten_scale_fails(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=3)
    expected = kernel.reference(work, args)
    got = {"output": expected["output"] / 2.5}
    assert not compare(kernel, work, args, got, expected).passed
