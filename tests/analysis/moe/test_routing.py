import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.moe.geometry import Geometry, NumberFormat
from dsprof.analysis.moe.routing import (
    Routing,
    rows_per_token,
    share_of_tokens_here,
    tokens_to_touch,
    touched_experts,
)
from dsprof.kernels.routed import expert_ids
from tests.analysis.moe.made import DEEPSEEK, make_geometry


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    groups = draw(st.sampled_from([1, 2, 4, 8]))
    experts = groups * draw(st.integers(1, 40))
    top_groups = draw(st.integers(1, groups))
    return Geometry(
        experts=experts,
        local_experts=draw(st.integers(1, experts)),
        top_k=draw(st.integers(1, top_groups * experts // groups)),
        groups=groups,
        top_groups=top_groups,
        hidden=128 * draw(st.integers(1, 60)),
        intermediate=128 * draw(st.integers(1, 60)),
        number_format=NumberFormat.FP8,
        block_size=128,
    )


TOKENS = st.integers(1, 100_000)


@pytest.mark.parametrize(
    ("tokens", "experts"),
    # 256 (1 - (31/32)^T), to the digits of the model's reference table.
    [(1, 8), (2, 15.75), (8, 57.4), (32, 163.3), (128, 251.6), (256, 255.9)],
)
def test_expected_experts_of_the_model(tokens: int, experts: float) -> None:
    found = touched_experts(DEEPSEEK, Routing.EXPECTED, tokens)
    assert found == pytest.approx(experts, abs=0.06)


@given(geometries(), TOKENS, TOKENS)
def test_more_tokens_never_touch_fewer_experts(
    geometry: Geometry, one: int, other: int
) -> None:
    fewer, more = (
        touched_experts(geometry, Routing.EXPECTED, tokens)
        for tokens in sorted((one, other))
    )
    assert 0 < fewer <= more <= geometry.local_experts


@given(geometries())
def test_one_token_touches_its_rows_and_endless_tokens_every_expert(
    geometry: Geometry,
) -> None:
    first = touched_experts(geometry, Routing.EXPECTED, 1)
    assert first == pytest.approx(rows_per_token(geometry, Routing.EXPECTED))
    last = touched_experts(geometry, Routing.EXPECTED, 1e9)
    assert last == pytest.approx(geometry.local_experts)


@given(geometries(), TOKENS)
def test_forced_local_touches_at_least_as_many(geometry: Geometry, tokens: int) -> None:
    expected, forced = (touched_experts(geometry, one, tokens) for one in Routing)
    assert expected <= forced == geometry.local_experts


@given(geometries(), st.floats(0.1, 0.999))
def test_tokens_to_touch_a_share_touch_it(geometry: Geometry, share: float) -> None:
    tokens = tokens_to_touch(geometry, share)
    found = touched_experts(geometry, Routing.EXPECTED, tokens)
    assert found >= share * geometry.local_experts * (1 - 1e-9)


@given(geometries())
def test_the_tokens_here_bring_the_rows_here(geometry: Geometry) -> None:
    # A token here makes at least one row, and at most top-k or every local expert.
    share = share_of_tokens_here(geometry, Routing.EXPECTED)
    rows = rows_per_token(geometry, Routing.EXPECTED)
    most = min(geometry.top_k, geometry.local_experts)
    assert rows / most <= share * (1 + 1e-9)
    assert share <= min(1, rows) * (1 + 1e-9)


@pytest.mark.parametrize("local", [16, 32, 48, 256])
def test_the_share_of_tokens_here_is_that_of_drawn_routings(local: int) -> None:
    ids = expert_ids(20_000, groups=8, top_groups=4)
    drawn = float(np.mean((ids < local).any(axis=1)))
    share = share_of_tokens_here(make_geometry(local_experts=local), Routing.EXPECTED)
    # Three standard errors of a share of 20,000.
    assert share == pytest.approx(drawn, abs=3 * math.sqrt(0.25 / 20_000))


def test_the_expected_experts_are_those_of_drawn_routings_on_average() -> None:
    geometry = make_geometry(local_experts=32)
    for tokens in (1, 16, 128):
        ids = expert_ids(400 * tokens, groups=8, top_groups=4)
        batches = ids.reshape(400, -1)
        drawn = np.mean([len(np.unique(b[b < 32])) for b in batches])
        expected = touched_experts(geometry, Routing.EXPECTED, tokens)
        assert expected == pytest.approx(float(drawn), rel=0.15)


def test_more_groups_a_token_bring_more_tokens_here() -> None:
    shares = [
        share_of_tokens_here(
            make_geometry(local_experts=32, top_groups=count), Routing.EXPECTED
        )
        for count in (1, 2, 4, 8)
    ]
    assert all(fewer < more for fewer, more in pairwise(shares))
    # All groups: any 8 of 256, of which none is among 224: C(224, 8) / C(256, 8).
    assert shares[-1] == pytest.approx(1 - math.comb(224, 8) / math.comb(256, 8))
