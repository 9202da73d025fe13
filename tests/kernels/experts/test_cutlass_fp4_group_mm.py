from typing import Any

import pytest
import torch

from dsprof.harness.check import compare
from dsprof.kernels import nvfp4
from dsprof.kernels.experts.cutlass_fp4_group_mm import (
    KERNEL,
    TABLES,
    call,
    call_with_device,
)
from tests.kernels.conftest import Example

NAME = KERNEL.name
OPS = tuple(op.name for op in KERNEL.ops)
BUFFERS = ("a_fp4", "b_fp4", "a_blockscale", "b_blockscale", "alphas")


def swizzled_at(scales: torch.Tensor, row: int, columns: int) -> torch.Tensor:
    """Scales of one row, each fetched by the offset that the layout gives it."""
    flat = scales.flatten().float()
    tile_row = (row // 128) * columns * 128 + (row % 32) * 16 + (row % 128 // 32) * 4
    places = [tile_row + (k // 4) * 512 + k % 4 for k in range(columns)]
    return flat[places].double()


@pytest.mark.parametrize("op", OPS)
def test_the_reference_decodes_and_multiplies_each_row_by_its_experts_weight(
    example: Example, op: str
) -> None:
    kernel, work, args = example(NAME, op=op, tokens=3, small=True)
    out = kernel.reference(work, args)["out"].double()
    place = 0
    for expert, (m, n, k) in enumerate(args["problem_sizes"].tolist()):
        assert place == args["expert_offsets"][expert]
        scale_row = int(args["blockscale_offsets"][expert])
        assert scale_row % 128 == 0
        weight = nvfp4.decode(args["b_fp4"][expert]).double()
        for column in range(0, n, 37):
            scales = swizzled_at(args["b_blockscale"][expert], column, k // 16)
            b = weight[column] * scales.repeat_interleave(16)
            for row in range(m):
                scales = swizzled_at(args["a_blockscale"], scale_row + row, k // 16)
                a = nvfp4.decode(args["a_fp4"][place + row]).double()
                a *= scales.repeat_interleave(16)
                expected = (a @ b) * args["alphas"][expert].double()
                torch.testing.assert_close(
                    out[place + row, column], expected, rtol=1e-4, atol=1e-5
                )
        place += m
    assert place == len(out) == 24


def test_outputs_are_of_order_one(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=30, small=True)
    out = kernel.reference(work, args)["out"]
    assert 0.5 < out.std().item() < 2


@pytest.mark.parametrize("name", BUFFERS)
def test_an_operand_of_other_rows_or_experts_is_caught(
    example: Example, name: str
) -> None:
    kernel, work, args = example(NAME, tokens=3, small=True)
    expected = kernel.reference(work, args)
    plain = args[name] if name == "alphas" else args[name].view(torch.uint8)
    # Rows of a's scales: within its first tile they lie 16 bytes apart.
    changed = plain.flatten().roll(16).view_as(plain)
    if name != "a_blockscale":
        changed = plain.roll(1, 0)
    got = kernel.reference(work, args | {name: changed.view(args[name].dtype)})
    assert not compare(kernel, work, args, got, expected).passed


@pytest.mark.parametrize("has_device", [True, False])
def test_both_packages_get_the_arguments_in_their_order(
    example: Example, *, has_device: bool
) -> None:
    _, _, args = example(NAME, tokens=3, small=True)
    given: list[Any] = []

    def function(*arguments: object) -> torch.Tensor:
        given.extend(arguments)
        return args["alphas"]

    outputs = (call_with_device if has_device else call)(function, args)
    assert outputs["out"] is args["alphas"]
    assert all(given[place] is args[name] for place, name in enumerate(BUFFERS))
    assert given[5] is torch.bfloat16
    assert given[6:-1] == ([torch.device("cpu")] if has_device else [])
    assert given[-1].keys() == set(TABLES)
    assert {given[-1]["ab_strides"].dtype, given[-1]["c_strides"].dtype} == {
        torch.int64
    }
