"""The routing that inputs and costs share."""

import numpy as np
import pytest
import torch

from dsprof.kernels import routed
from dsprof.kernels.selection import (
    gap_after,
    group_scores,
    in_best_groups,
    route,
)

GROUPED = {"experts": 256, "top_k": 8, "groups": 8, "top_groups": 4}


@pytest.mark.parametrize("limits", [{}, GROUPED])
def test_a_tokens_experts_are_distinct_and_in_range(limits: dict[str, int]) -> None:
    ids = routed.expert_ids(300, **limits)
    assert ids.dtype == np.dtype(np.int32)
    assert ids.shape == (300, 8)
    assert all(len(set(row)) == 8 for row in ids.tolist())
    assert (ids.min() >= 0, ids.max() < 256) == (True, True)


def test_a_router_that_limits_groups_keeps_to_four_of_eight() -> None:
    groups = routed.expert_ids(300, **GROUPED) // 32
    assert max(len(set(row)) for row in groups.tolist()) == 4
    free = routed.expert_ids(300) // 32
    assert max(len(set(row)) for row in free.tolist()) > 4


@pytest.mark.parametrize("limits", [{}, GROUPED])
def test_every_expert_is_as_likely(limits: dict[str, int]) -> None:
    rows = routed.rows_per_expert(16384, **limits)
    # 512 rows each on average; six standard deviations are 136.
    assert rows.sum() == 8 * 16384
    assert abs(rows - 512).max() < 136


@pytest.mark.parametrize("limits", [{}, GROUPED, {"experts": 6, "top_k": 2}])
def test_experts_that_get_a_row_are_counted_once(limits: dict[str, int]) -> None:
    ids = routed.expert_ids(5, **limits)
    assert routed.distinct_experts(5, **limits) == len(set(ids.ravel().tolist()))


def test_a_size_has_the_same_routing_every_time() -> None:
    first = routed.expert_ids(64).copy()
    routed.expert_ids.cache_clear()
    assert (routed.expert_ids(64) == first).all()


LIMITS = [(256, 8, 8, 4), (32, 8, 8, 4), (8, 2, 4, 2), (16, 4, 1, 1)]


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("tokens", [1, 7, 2000])
def test_logits_choose_the_experts_that_a_router_chooses(
    tokens: int, limits: tuple[int, int, int, int]
) -> None:
    experts, top_k, groups, top_groups = limits
    logits = torch.tensor(routed.router_logits(tokens, *limits))
    assert logits.shape == (tokens, experts)
    _, expected = route(logits, torch.zeros(experts), top_k, groups, top_groups)
    ids = torch.tensor(routed.routed_ids(tokens, *limits))
    assert torch.equal(ids.long(), expected.sort().values)


def test_no_choice_hangs_on_what_sigmoids_differ_by() -> None:
    scores = torch.tensor(routed.router_logits(16384)).double().sigmoid()
    groups = gap_after(group_scores(scores, 8), 4)
    assert min(groups.min(), gap_after(in_best_groups(scores), 8).min()) > 9e-6


def test_most_logits_are_as_they_were_drawn() -> None:
    logits = routed.router_logits(16384)
    # 4 million normal values: the mean's deviation is 5e-4, the square's 7e-4.
    assert abs(logits.mean()) < 3e-3
    assert abs((logits**2).mean() - 1) < 4e-3


def test_real_routing_is_as_likely_for_every_expert() -> None:
    rows = np.bincount(routed.routed_ids(16384).ravel(), minlength=256)
    assert rows.sum() == 8 * 16384
    assert abs(rows - 512).max() < 136


def test_logits_of_a_size_are_the_same_every_time() -> None:
    first = routed.router_logits(64).copy()
    routed.router_logits.cache_clear()
    assert (routed.router_logits(64) == first).all()
