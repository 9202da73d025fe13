import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.moe.bounds import crossover_tokens, least_time_s, regime
from dsprof.analysis.moe.geometry import Geometry
from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.work import work
from dsprof.harness.records import Bound, Roof
from tests.analysis.moe.made import DEEPSEEK, EXPERT_BYTES, make_geometry
from tests.analysis.moe.test_routing import TOKENS, geometries

B200 = Roof(name="spec b200", flops_per_s=4.5e15, bytes_per_s=8e12)
H200 = Roof(name="spec h200-sxm", flops_per_s=1.979e15, bytes_per_s=4.8e12)
roofs = st.builds(
    Roof,
    name=st.just("drawn"),
    flops_per_s=st.floats(1e12, 1e16),
    bytes_per_s=st.floats(1e11, 2e13),
)


def test_all_experts_on_an_h200_cross_over_at_their_own_closed_form() -> None:
    # All 256 are touched by then: W / (f / ridge - a), a row in and out in BF16.
    tokens = 256 * EXPERT_BYTES / (704_643_072 / (1979 / 4.8) - 28_672)
    assert tokens == pytest.approx(6_711, abs=1)
    found = crossover_tokens(DEEPSEEK, Routing.EXPECTED, H200)
    assert found == pytest.approx(tokens, rel=1e-9)


@given(geometries(), roofs, st.sampled_from(Routing))
def test_the_crossover_solves_its_equation(
    geometry: Geometry, roof: Roof, routing: Routing
) -> None:
    tokens = crossover_tokens(geometry, routing, roof)
    if math.isinf(tokens):
        assert regime(work(geometry, routing, 1e15), roof) is Bound.MEMORY
        return
    done = work(geometry, routing, tokens)
    if tokens == 1:
        assert regime(done, roof) is Bound.COMPUTE
        return
    moving, computing = (
        done.total_bytes / roof.bytes_per_s,
        done.flops / roof.flops_per_s,
    )
    assert moving == pytest.approx(computing, rel=1e-6)
    assert regime(work(geometry, routing, 0.99 * tokens), roof) is Bound.MEMORY


@given(geometries(), roofs, TOKENS, TOKENS)
def test_more_tokens_never_take_less_time(
    geometry: Geometry, roof: Roof, one: int, other: int
) -> None:
    for routing in Routing:
        few, many = (
            least_time_s(work(geometry, routing, tokens), roof)
            for tokens in sorted((one, other))
        )
        assert few <= many * (1 + 1e-9)


@given(geometries(), roofs, TOKENS)
def test_forced_local_never_takes_less_time(
    geometry: Geometry, roof: Roof, tokens: int
) -> None:
    expected, forced = (
        least_time_s(work(geometry, routing, tokens), roof) for routing in Routing
    )
    assert expected <= forced * (1 + 1e-9)


def test_a_token_whose_own_bytes_take_longer_never_crosses_over() -> None:
    small = make_geometry(intermediate=128)  # 4 x 7168 B for 8 x 6 x 7168 x 128 FLOP
    slow = Roof(name="slow", flops_per_s=1e16, bytes_per_s=1e12)
    assert math.isinf(crossover_tokens(small, Routing.EXPECTED, slow))


def test_a_ridge_below_the_first_token_crosses_over_at_once() -> None:
    fast = Roof(name="fast", flops_per_s=1e12, bytes_per_s=2e13)
    assert crossover_tokens(DEEPSEEK, Routing.EXPECTED, fast) == 1


def test_the_ridge_point_itself_is_compute_bound() -> None:
    done = work(DEEPSEEK, Routing.EXPECTED, 100)
    at_ridge = Roof(name="made", flops_per_s=done.intensity * 1e12, bytes_per_s=1e12)
    assert regime(done, at_ridge) is Bound.COMPUTE
    assert regime(done, B200) is Bound.MEMORY
