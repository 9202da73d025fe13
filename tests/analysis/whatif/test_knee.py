import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.whatif.knee import curve, knee
from dsprof.analysis.whatif.residency import Residency
from dsprof.analysis.whatif.resource import RATES, Resource
from dsprof.analysis.whatif.split import split
from dsprof.analysis.whatif.terms import LayerTerms
from tests.analysis.whatif.drawn_layers import layers
from tests.analysis.whatif.hand_made import TOY, make_call, make_layer


def test_the_knee_is_where_the_elasticity_is_the_gain() -> None:
    # hbm / x / (hbm / x + fixed) = 0.1 at x = hbm * 0.9 / (0.1 * fixed) = 9 * 40 / 10
    layer = make_layer(make_call(hbm=40, fixed=10))
    found = knee(layer, gain=0.1)
    assert found is not None
    assert found.value == pytest.approx(36 * TOY.hbm_bytes_per_s, rel=1e-9)
    assert found.time_s == pytest.approx(10e-6 / 0.9)
    assert found.own_share == pytest.approx(0.8)
    assert found.next_limit is Resource.LAUNCH
    assert found.next_share == pytest.approx(0.9)


def test_another_term_ends_the_gain_at_once() -> None:
    # From twice the bandwidth on, tensor work takes longer.
    found = knee(make_layer(make_call(hbm=40, tensor=20)))
    assert found is not None
    assert found.value == pytest.approx(2 * TOY.hbm_bytes_per_s, rel=1e-6)
    assert found.next_limit is Resource.FP8


def test_less_launch_latency_has_a_knee_below() -> None:
    # fixed / x / (fixed / x + 90) = 0.1 at x = 1 for 10 us.
    found = knee(make_layer(make_call(hbm=90, fixed=10)), Resource.LAUNCH)
    assert found is not None
    assert found.value == pytest.approx(TOY.launch_latency_s, rel=1e-6)


def test_a_resource_that_nothing_needs_is_below_the_gain() -> None:
    found = knee(make_layer(make_call(hbm=1)), Resource.FP8)
    assert found is not None
    assert found.value is None
    assert found.is_below_gain


def test_a_layer_of_one_resource_alone_has_no_knee() -> None:
    found = knee(make_layer(make_call(hbm=1)))
    assert found is not None
    assert found.value is None
    assert not found.is_below_gain


def test_a_datapath_that_is_missing_has_no_knee() -> None:
    layer = make_layer(make_call(hbm=1))
    assert knee(layer, Resource.FP4) is None
    assert curve(layer, Resource.FP4) is None


@given(layer=layers(), gain=st.floats(0.02, 0.9))
def test_the_gain_is_above_before_the_knee_and_below_after(
    layer: LayerTerms, gain: float
) -> None:
    for resource in RATES:
        found = knee(layer, resource, gain=gain)
        if found is None or found.value is None:
            continue
        parts = split(layer, TOY, Residency.of(layer), resource)
        ratio = found.value / found.own_value
        better = 1 / ratio if resource is Resource.LAUNCH else ratio
        assert parts.limited_share(better * 1.001) <= gain + 1e-9
        assert parts.limited_share(better * 0.999, with_more=False) >= gain - 1e-9


@given(layer=layers())
def test_a_curve_never_rises_with_a_rate(layer: LayerTerms) -> None:
    found = curve(layer)
    assert found is not None
    assert (found.time_s[1:] <= found.time_s[:-1] * (1 + 1e-12)).all()
    at_source = found.time_s[len(found.time_s) // 2]
    assert at_source == pytest.approx(layer.time_s, rel=1e-6)
