"""Routing choices: clear by construction, compared whatever their order."""

import pytest
import torch

from dsprof.harness.check import compare
from dsprof.harness.records import Phase, Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels.selection import MIN_GAP, clear_logits, gap_after
from dsprof.kernels.spec import Tensors
from tests.kernels.conftest import Example

ROUTERS = ("topk_softmax", "topk_sigmoid", "moe_fused_gate")
every_router = pytest.mark.parametrize("name", ROUTERS)


def make_tensors() -> DeviceTensors:
    point = Point(kernel="x", op="y", phase=Phase.PREFILL, batch_size=8, seq_len=2048)
    return DeviceTensors("cpu", point)


def test_gap_after_is_the_step_down_from_the_kth_score() -> None:
    scores = torch.tensor([[1.0, 5.0, 3.0, 4.5], [2.0, 2.0, 2.0, 0.5]])
    assert gap_after(scores, 2).tolist() == [1.5, 0.0]
    assert gap_after(scores, 3).tolist() == [2.0, 1.5]


def test_no_row_of_the_largest_prefill_is_nearly_a_tie() -> None:
    drawn = make_tensors().normal(16384, 256, dtype="float32")
    kept = clear_logits(make_tensors(), 16384, lambda logits: gap_after(logits, 8))
    assert gap_after(drawn, 8).min() < MIN_GAP
    assert gap_after(kept, 8).min() >= MIN_GAP


def test_only_the_near_ties_are_drawn_again() -> None:
    drawn = make_tensors().normal(16384, 256, dtype="float32")
    kept = clear_logits(make_tensors(), 16384, lambda logits: gap_after(logits, 8))
    is_near_tie = gap_after(drawn, 8) < MIN_GAP
    assert torch.equal((kept != drawn).any(-1), is_near_tie)


def reordered(outputs: Tensors) -> Tensors:
    order = torch.tensor([3, 1, 0, 7, 5, 6, 2, 4])
    return {key: tensor[:, order] for key, tensor in outputs.items()}


@every_router
def test_a_row_may_list_its_experts_in_any_order(example: Example, name: str) -> None:
    kernel, work, args = example(name, tokens=5)
    expected = kernel.reference(work, args)
    assert compare(kernel, work, args, reordered(expected), expected).passed


@every_router
def test_weights_must_stay_with_their_experts(example: Example, name: str) -> None:
    kernel, work, args = example(name, tokens=5)
    expected = kernel.reference(work, args)
    for key in expected:
        got = expected | {key: reordered(expected)[key]}
        assert not compare(kernel, work, args, got, expected).passed


@every_router
def test_naming_an_expert_twice_fails(example: Example, name: str) -> None:
    kernel, work, args = example(name, tokens=5)
    expected = kernel.reference(work, args)
    ids = expected["topk_ids"].clone()
    ids[2, 6] = ids[2, 5]
    got = expected | {"topk_ids": ids}
    assert not compare(kernel, work, args, got, expected).passed


@every_router
def test_another_tokens_experts_fail(example: Example, name: str) -> None:
    kernel, work, args = example(name, tokens=5)
    expected = kernel.reference(work, args)
    got = {key: tensor.roll(1, 0) for key, tensor in expected.items()}
    assert not compare(kernel, work, args, got, expected).passed


@every_router
def test_any_expert_in_place_of_a_chosen_one_fails(example: Example, name: str) -> None:
    kernel, work, args = example(name, tokens=1)
    expected = kernel.reference(work, args)
    for expert in set(range(256)) - set(expected["topk_ids"][0].tolist()):
        ids = expected["topk_ids"].clone()
        ids[0, 7] = expert
        got = expected | {"topk_ids": ids}
        assert not compare(kernel, work, args, got, expected).passed
