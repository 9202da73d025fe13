from itertools import pairwise

import pytest
import torch

from dsprof.harness.check import compare
from dsprof.kernels.spec import Tensors
from tests.kernels.conftest import Example

NAME = "prepare_moe_input"


def sort_by_expert(topk_ids: list[list[int]]) -> dict[str, list[int]]:
    """Return what the kernel writes, one expert and one assignment at a time."""
    offsets, scale_offsets, sizes1, sizes2 = [0], [0], [], []
    tokens: list[int] = []
    rows = [-1] * (8 * len(topk_ids))
    for expert in range(256):
        for token, chosen in enumerate(topk_ids):
            for slot, choice in enumerate(chosen):
                if choice == expert:
                    rows[token * 8 + slot] = len(tokens)
                    tokens.append(token)
        count = len(tokens) - offsets[-1]
        offsets.append(len(tokens))
        scale_offsets.append(scale_offsets[-1] + -(-count // 128) * 128)
        sizes1 += [count, 4096, 7168]
        sizes2 += [count, 7168, 2048]
    return {
        "expert_offsets": offsets,
        "blockscale_offsets": scale_offsets,
        "problem_sizes1": sizes1,
        "problem_sizes2": sizes2,
        "input_permutation": tokens,
        "output_permutation": rows,
    }


@pytest.mark.parametrize("tokens", [1, 7, 200])
def test_the_reference_is_a_stable_sort_by_expert(
    example: Example, tokens: int
) -> None:
    kernel, work, args = example(NAME, tokens=tokens)
    outputs = kernel.reference(work, args)
    expected = sort_by_expert(args["topk_ids"].tolist())
    assert {name: out.flatten().tolist() for name, out in outputs.items()} == expected


def test_scale_rows_are_rounded_up_to_128_where_an_expert_is_busy(
    example: Example,
) -> None:
    kernel, work, args = example(NAME, tokens=200)
    ids = (torch.arange(200 * 8) % 8).view(200, 8).int()
    outputs = kernel.reference(work, args | {"topk_ids": ids})
    assert outputs["expert_offsets"][:3].tolist() == [0, 200, 400]
    assert outputs["blockscale_offsets"][:3].tolist() == [0, 256, 512]


def swap_rows(outputs: Tensors, one: int, other: int) -> Tensors:
    """Exchange two sorted rows in both permutations, as another order would."""
    tokens = outputs["input_permutation"].clone()
    rows = outputs["output_permutation"].clone()
    tokens[[one, other]] = tokens[[other, one]]
    at_one, at_other = rows == one, rows == other
    rows[at_one], rows[at_other] = other, one
    return outputs | {"input_permutation": tokens, "output_permutation": rows}


def test_rows_of_one_expert_may_come_in_any_order(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=128)
    expected = kernel.reference(work, args)
    offsets = expected["expert_offsets"].tolist()
    got = expected
    for first, end in pairwise(offsets):
        if end - first > 1:
            got = swap_rows(got, first, end - 1)
    assert not torch.equal(got["output_permutation"], expected["output_permutation"])
    assert compare(kernel, work, args, got, expected).passed


def test_a_row_in_another_experts_range_fails(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=128)
    expected = kernel.reference(work, args)
    boundary = next(
        offset for offset in expected["expert_offsets"].tolist() if offset > 0
    )
    got = swap_rows(expected, boundary - 1, boundary)
    assert not compare(kernel, work, args, got, expected).passed


@pytest.mark.parametrize("permutation", ["input_permutation", "output_permutation"])
def test_permutations_that_disagree_fail(example: Example, permutation: str) -> None:
    kernel, work, args = example(NAME, tokens=128)
    expected = kernel.reference(work, args)
    offsets = expected["expert_offsets"].tolist()
    first = next(first for first, end in pairwise(offsets) if end - first > 1)
    both = swap_rows(expected, first, first + 1)
    got = expected | {permutation: both[permutation]}
    assert not compare(kernel, work, args, got, expected).passed


def test_any_single_wrong_element_fails(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=4)
    expected = kernel.reference(work, args)
    for name, tensor in expected.items():
        for place in range(tensor.numel()):
            damaged = tensor.clone()
            damaged.view(-1)[place] += 1
            got = expected | {name: damaged}
            assert not compare(kernel, work, args, got, expected).passed, (name, place)
