"""The routing that inputs and costs share."""

import numpy as np
import pytest

from dsprof.kernels import routed

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
