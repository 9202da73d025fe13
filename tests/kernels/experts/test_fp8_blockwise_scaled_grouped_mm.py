import pytest
import torch

from dsprof.harness.check import compare
from dsprof.kernels.experts.fp8_blockwise_scaled_grouped_mm import KERNEL
from tests.kernels.conftest import Example

NAME = KERNEL.name
OPS = tuple(op.name for op in KERNEL.ops)


@pytest.mark.parametrize("op", OPS)
def test_the_reference_scales_and_multiplies_each_row_by_its_experts_weight(
    example: Example, op: str
) -> None:
    kernel, work, args = example(NAME, small=True, op=op, tokens=3)
    out = kernel.reference(work, args)["out"].double()
    bounds = args["first_rows"].tolist()
    for row in range(24):
        expert = max(e for e in range(16) if bounds[e] <= row)
        a = args["a"][row].double()
        a *= args["scales_a"][row].double().repeat_interleave(128)
        b = args["b"][expert].double()  # (k, n)
        scales = args["scales_b"][expert].double()
        b *= scales.repeat_interleave(128, 0).repeat_interleave(128, 1)
        torch.testing.assert_close(out[row], a @ b, rtol=1e-4, atol=1e-5)


def test_weights_and_their_scales_are_column_major(example: Example) -> None:
    _, _, args = example(NAME, small=True, tokens=3)
    assert args["b"].shape == (16, 256, 256)
    assert args["b"].mT.is_contiguous()
    assert args["scales_b"].shape == (16, 2, 2)
    assert args["scales_b"].mT.is_contiguous()
    assert args["scales_a"].is_contiguous()


@pytest.mark.parametrize("name", ["a", "scales_a", "b", "scales_b"])
def test_an_operand_of_other_rows_or_experts_is_caught(
    example: Example, name: str
) -> None:
    kernel, work, args = example(NAME, small=True, tokens=3)
    expected = kernel.reference(work, args)
    rolled = args[name].view(torch.uint8) if name in "ab" else args[name]
    changed = rolled.mT.roll(1, 0).mT if "b" in name else rolled.roll(1, 0)
    got = kernel.reference(work, args | {name: changed.view(args[name].dtype)})
    assert not compare(kernel, work, args, got, expected).passed


def test_a_dropped_expert_is_caught(example: Example) -> None:
    kernel, work, args = example(NAME, small=True, tokens=3)
    expected = kernel.reference(work, args)
    bounds = args["first_rows"].tolist()
    expert = next(e for e in range(16) if bounds[e + 1] > bounds[e])
    for left in (0.0, float("nan")):
        out = expected["out"].clone()
        out[bounds[expert] : bounds[expert + 1]] = left
        assert not compare(kernel, work, args, {"out": out}, expected).passed
