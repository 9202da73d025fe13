import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.whatif.grid import layer_seconds_on
from dsprof.analysis.whatif.project import Machines, layer_seconds
from dsprof.analysis.whatif.residency import Held, Residency
from dsprof.analysis.whatif.resource import Resource, machines_with
from dsprof.analysis.whatif.terms import LayerTerms
from tests.analysis.whatif.drawn_layers import layers
from tests.analysis.whatif.hand_made import TOY, make_call, make_layer

MB = 1e6


@given(layer=layers())
def test_the_source_s_own_memory_changes_nothing(layer: LayerTerms) -> None:
    own = Machines.of(TOY)
    found = layer_seconds_on(layer, own, Residency.of(layer))
    assert found == pytest.approx(layer_seconds(layer, own))
    assert found == pytest.approx(layer.time_s)


def test_what_is_more_than_the_source_s_is_filled_with_what_every_pass_reads() -> None:
    # 100 MB that every pass reads; half of the experts are chosen: 400 of 800 MB.
    dense = make_call(hbm=20)
    experts = make_call(hbm=80, tensor=1, op="experts (down)")
    layer = make_layer(dense, experts, batch_size=1)
    held = Held(experts=8, experts_per_token=4)
    rule = Residency.of(layer, held)
    assert rule.every_pass_bytes == pytest.approx(100 * MB)
    assert rule.expert_bytes == pytest.approx(800 * MB)
    sizes = np.array([50, 100, 150, 250, 950, 2000]) * MB
    assert rule.kept_share(dense, sizes) == pytest.approx([0, 0.5, 1, 1, 1, 1])
    assert rule.kept_share(experts, sizes) == pytest.approx([0, 0, 0, 0.125, 1, 1])
    assert rule.hbm_bytes(experts, 250 * MB) == pytest.approx(350 * MB)


def test_a_device_that_holds_more_layers_keeps_less_of_each() -> None:
    layer = make_layer(make_call(hbm=20))
    (call,) = layer.calls
    shares = [
        Residency.of(layer, Held(layers=count)).kept_share(call, 100 * MB)
        for count in (1, 2, 10)
    ]
    assert shares == pytest.approx([0.5, 0.25, 0.05])


def test_less_than_the_source_s_loses_hits_in_proportion() -> None:
    # 10 MB from HBM and 30 MB of hits, out of a working set of at most 40 MB.
    call = make_call(hbm=2, on_chip=4, footprint_bytes=40 * MB)
    layer = make_layer(call)
    rule = Residency.of(layer)
    sizes = np.array([50, 40, 20, 10]) * MB
    assert rule.hbm_bytes(call, sizes) == pytest.approx(
        np.array([10, 10, 25, 32.5]) * MB
    )


@given(
    layer=layers(),
    low=st.floats(1e3, 1e12),
    high=st.floats(1e3, 1e12),
    held=st.integers(1, 61),
)
def test_more_on_chip_memory_never_makes_a_layer_slower(
    layer: LayerTerms, low: float, high: float, held: int
) -> None:
    sizes = np.array(sorted((low, high)))
    machines = machines_with(TOY, {Resource.ON_CHIP_CAPACITY: sizes})
    rule = Residency.of(layer, Held(layers=held))
    traffic = sum(rule.hbm_bytes(call, sizes) for call in layer.calls)
    less, more = np.broadcast_to(traffic, sizes.shape)
    assert more <= less * (1 + 1e-9)
    times = np.broadcast_to(layer_seconds_on(layer, machines, rule), sizes.shape)
    assert (times > 0).all()


def test_what_stays_is_still_delivered_by_the_on_chip_memory() -> None:
    # All 100 MB kept: no HBM time is left, and 100 MB at 10 TB/s are 10 us.
    layer = make_layer(make_call(hbm=20, on_chip_bytes=0.0))
    huge = machines_with(TOY, {Resource.ON_CHIP_CAPACITY: 1e12})
    found = layer_seconds_on(layer, huge, Residency.of(layer))
    assert found == pytest.approx(10e-6)


@pytest.mark.parametrize(
    ("tokens", "share"), [(1, 8 / 256), (32, 1 - (31 / 32) ** 32), (10**6, 1)]
)
def test_tokens_choose_experts_at_random(tokens: int, share: float) -> None:
    held = Held(experts=256, experts_per_token=8)
    assert held.share_read(tokens) == pytest.approx(share)


def test_without_the_model_s_sizes_all_experts_count_as_chosen() -> None:
    assert Held().share_read(1) == 1
