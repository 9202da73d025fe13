import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.whatif.resource import RATES, Resource
from dsprof.analysis.whatif.sensitivity import sensitivity
from dsprof.analysis.whatif.terms import LayerTerms, Term
from tests.analysis.whatif.drawn_layers import layers
from tests.analysis.whatif.hand_made import make_call, make_layer

SINGLE = {
    "tensor": Resource.FP8,
    "bf16": Resource.BF16,
    "vector": Resource.VECTOR,
    "hbm": Resource.BANDWIDTH,
    "on_chip": Resource.ON_CHIP_BANDWIDTH,
    "fixed": Resource.LAUNCH,
}


@pytest.mark.parametrize(("term", "resource"), SINGLE.items())
@given(us=st.floats(1e-3, 1e6))
def test_a_layer_of_one_term_has_elasticities_of_one_and_nothing(
    term: str, resource: Resource, us: float
) -> None:
    found = sensitivity(make_layer(make_call(**{term: us})))
    for rate in RATES:
        one = found.of(rate)
        expected = 0.0
        if rate is resource:
            expected = 1.0 if rate is Resource.LAUNCH else -1.0
        assert (one.below, one.above) == pytest.approx((expected, expected))
        assert one.central == pytest.approx(expected)
        assert not one.is_kink


@given(layer=layers())
def test_rates_and_launches_together_have_an_elasticity_of_minus_one(
    layer: LayerTerms,
) -> None:
    found = sensitivity(layer)
    rates = [found.of(rate) for rate in RATES]
    signs = [-1 if one.resource is Resource.LAUNCH else 1 for one in rates]
    # Less latency is better, so its side of more is the other one.
    sides = [
        (one.below, one.above) if sign == 1 else (one.above, one.below)
        for one, sign in zip(rates, signs, strict=True)
    ]
    worse = sum(sign * side[0] for sign, side in zip(signs, sides, strict=True))
    better = sum(sign * side[1] for sign, side in zip(signs, sides, strict=True))
    # At a tie any one resource hurts when it shrinks, and none alone helps.
    assert worse <= -1 + 1e-9
    assert better >= -1 - 1e-9
    if not any(one.is_kink for one in rates):
        assert worse == pytest.approx(-1, abs=1e-3)
        assert better == pytest.approx(-1, abs=1e-3)


@given(layer=layers())
def test_a_better_rate_never_costs_time_and_never_saves_more_than_its_share(
    layer: LayerTerms,
) -> None:
    found = sensitivity(layer)
    for rate in RATES:
        one = found.of(rate)
        worse, better = one.half_pct, one.double_pct
        if rate is Resource.LAUNCH:
            worse, better = better, worse
        assert worse >= -1e-9
        assert better <= 1e-9
        assert worse <= 100 + 1e-9  # all of the time doubles
        assert better >= -50 - 1e-9
        assert -1 - 1e-9 <= one.central <= 1 + 1e-9


def test_a_layer_splits_by_the_time_that_each_resource_limits() -> None:
    # 60 us of HBM, 30 of FP8 and 10 fixed: shares of 100 us.
    layer = make_layer(make_call(hbm=60, tensor=1), make_call(tensor=30, fixed=10))
    found = sensitivity(layer)
    assert found.time_s == pytest.approx(100e-6)
    assert found.of(Resource.BANDWIDTH).above == pytest.approx(-0.6)
    assert found.of(Resource.FP8).above == pytest.approx(-0.3)
    assert found.of(Resource.LAUNCH).above == pytest.approx(0.1)
    # Half the bandwidth: 120 us instead of 60. Twice: 30.
    assert found.of(Resource.BANDWIDTH).half_pct == pytest.approx(60)
    assert found.of(Resource.BANDWIDTH).double_pct == pytest.approx(-30)
    assert [one.resource for one in found.ranked][:2] == [
        Resource.BANDWIDTH,
        Resource.FP8,
    ]


def test_two_equal_terms_are_a_kink_with_two_values() -> None:
    one = sensitivity(make_layer(make_call(hbm=40, tensor=40, fixed=10)))
    bandwidth = one.of(Resource.BANDWIDTH)
    assert (bandwidth.below, bandwidth.above) == pytest.approx((-0.8, 0.0))
    assert bandwidth.is_kink
    assert bandwidth.central == pytest.approx(-0.4, abs=0.01)


def test_a_datapath_that_the_machine_lacks_moves_nothing() -> None:
    one = sensitivity(make_layer(make_call(hbm=1))).of(Resource.FP4)
    assert one.value is None
    assert (one.below, one.above, one.swing_pct) == (0, 0, 0)


def test_the_evidence_names_the_calls_that_the_resource_limits() -> None:
    layer = make_layer(
        make_call(hbm=10, op="a", not_identified=(Term.HBM,)),
        make_call(hbm=70, op="b", count=1),
        make_call(tensor=20, op="c"),
    )
    evidence = sensitivity(layer).of(Resource.BANDWIDTH).evidence
    assert [(one.op, round(one.share_pct)) for one in evidence] == [
        ("b", 70),
        ("a", 10),
    ]
    assert [one.is_identified for one in evidence] == [True, False]


def test_more_on_chip_memory_takes_off_hbm_traffic_alone() -> None:
    # 100 us of HBM are 500 MB that every pass reads; twice the toy's 50 MB keep a
    # tenth of them.
    found = sensitivity(make_layer(make_call(hbm=100)))
    capacity = found.of(Resource.ON_CHIP_CAPACITY)
    assert capacity.double_pct == pytest.approx(-10)
    assert capacity.above == pytest.approx(-0.1, rel=1e-4)
    assert capacity.below == 0
    assert capacity.is_kink
    bound = sensitivity(make_layer(make_call(hbm=100, tensor=200)))
    assert bound.of(Resource.ON_CHIP_CAPACITY).double_pct == pytest.approx(0)


def test_elasticities_can_be_asked_for_on_another_machine() -> None:
    from dataclasses import replace

    layer = make_layer(make_call(hbm=60, tensor=40))
    faster = replace(layer.source, hbm_bytes_per_s=2 * layer.source.hbm_bytes_per_s)
    assert sensitivity(layer).of(Resource.BANDWIDTH).above == pytest.approx(-1)
    assert sensitivity(layer, faster).of(Resource.BANDWIDTH).above == 0
    assert math.isclose(sensitivity(layer, faster).of(Resource.FP8).above, -1)
