import pytest
import torch

from dsprof.harness.check import compare
from dsprof.kernels.spec import Tensors
from tests.kernels.conftest import Example

NAME = "moe_align_block_size"


def align(topk_ids: list[list[int]]) -> tuple[list[int], list[int]]:
    """Return rows and experts of the used blocks, one expert at a time."""
    flat = [expert for chosen in topk_ids for expert in chosen]
    rows: list[int] = []
    experts: list[int] = []
    for expert in range(256):
        mine = [place for place, chosen in enumerate(flat) if chosen == expert]
        blocks = -(-len(mine) // 64)
        rows += mine + [len(flat)] * (blocks * 64 - len(mine))
        experts += [expert] * blocks
    return rows, experts


@pytest.mark.parametrize("tokens", [1, 7, 33, 200])
def test_the_reference_pads_each_expert_to_whole_blocks(
    example: Example, tokens: int
) -> None:
    kernel, work, args = example(NAME, tokens=tokens)
    outputs = kernel.reference(work, args)
    rows, experts = align(args["topk_ids"].tolist())
    listed = outputs["sorted_token_ids"].tolist()
    assert listed == rows + [8 * tokens] * (len(listed) - len(rows))
    assert outputs["experts_ids"][: len(experts)].tolist() == experts
    assert outputs["num_tokens_post_pad"].tolist() == [len(rows)]


@pytest.mark.parametrize("tokens", [1, 31, 32, 33, 16384])
def test_the_list_is_long_enough_for_the_worst_routing(
    example: Example, tokens: int
) -> None:
    _, _, args = example(NAME, tokens=tokens)
    # As many experts as can be are used, and each has one id in its last block.
    ids = 8 * tokens
    used = min(256, ids)
    worst = (used - 1) * 64 + -(-(ids - used + 1) // 64) * 64
    assert args["sorted_token_ids"].numel() >= worst
    assert args["sorted_token_ids"].numel() == 64 * args["experts_ids"].numel()


def shuffled_within_experts(outputs: Tensors) -> Tensors:
    """Reverse each used block, which moves padding as well."""
    rows = outputs["sorted_token_ids"].view(-1, 64).flip(-1).reshape(-1)
    return outputs | {"sorted_token_ids": rows}


def test_rows_of_one_expert_may_come_in_any_order(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=128)
    expected = kernel.reference(work, args)
    got = shuffled_within_experts(expected)
    assert not torch.equal(got["sorted_token_ids"], expected["sorted_token_ids"])
    assert compare(kernel, work, args, got, expected).passed


def test_rows_that_change_experts_fail(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=128)
    expected = kernel.reference(work, args)
    rows = expected["sorted_token_ids"].view(-1, 64)
    swapped = rows[[1, 0, *range(2, len(rows))]].reshape(-1)
    got = expected | {"sorted_token_ids": swapped}
    assert not compare(kernel, work, args, got, expected).passed


def test_experts_beyond_the_last_used_block_are_not_looked_at(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=128)
    expected = kernel.reference(work, args)
    used = int(expected["num_tokens_post_pad"]) // 64
    assert used < expected["experts_ids"].numel()
    damaged = expected["experts_ids"].clone()
    damaged[used:] = torch.iinfo(torch.int32).min
    got = expected | {"experts_ids": damaged}
    assert compare(kernel, work, args, got, expected).passed
    damaged[used - 1] = torch.iinfo(torch.int32).min
    assert not compare(kernel, work, args, got, expected).passed


def test_any_single_wrong_element_fails(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=1)
    expected = kernel.reference(work, args)
    used = int(expected["num_tokens_post_pad"]) // 64
    for name, tensor in expected.items():
        places = used if name == "experts_ids" else tensor.numel()
        for place in range(places):
            damaged = tensor.clone()
            damaged[place] += 1
            got = expected | {name: damaged}
            assert not compare(kernel, work, args, got, expected).passed, (name, place)
