import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsprof.analysis.whatif.cost import read_cost
from dsprof.analysis.whatif.design_space import Exploration, explore
from dsprof.analysis.whatif.design_sweep import parse_sweep
from dsprof.analysis.whatif.grid import layer_seconds_on
from dsprof.analysis.whatif.residency import Residency
from dsprof.analysis.whatif.resource import Resource, machines_with
from dsprof.analysis.whatif.terms import LayerTerms
from tests.analysis.whatif.drawn_layers import layers
from tests.analysis.whatif.hand_made import TOY, make_call, make_layer

WIDE = parse_sweep("bandwidth=1TB:16TB:6,fp8=250T:4000T:5,sram=32MB:512MB:4")
LAYER = make_layer(
    make_call(hbm=40, tensor=15, fixed=2, op="a"),
    make_call(hbm=5, bf16=30, fixed=2, op="b"),
    make_call(hbm=90, tensor=20, fixed=3, op="experts (down)"),
)


def explored(layer: LayerTerms = LAYER) -> Exploration:
    (found,) = explore([layer], WIDE)
    return found


@settings(max_examples=30, deadline=None)
@given(layer=layers(), slab_points=st.integers(1, 130))
def test_slabs_give_what_one_grid_gives(layer: LayerTerms, slab_points: int) -> None:
    (whole,) = explore([layer], WIDE)
    (cut,) = explore([layer], WIDE, slab_points=slab_points)
    for name in ("latency_s", "area_mm2", "power_w"):
        assert np.array_equal(getattr(whole, name), getattr(cut, name))


@settings(max_examples=20, deadline=None)
@given(layer=layers(), at=st.integers(0, 119))
def test_a_point_of_the_grid_is_that_machine_alone(layer: LayerTerms, at: int) -> None:
    found = explored(layer)
    design = found.design(at)
    # BF16 keeps half of FP8's rate, as on the source.
    values = dict(design.values) | {Resource.BF16: design.values[Resource.FP8] / 2}
    machine = machines_with(TOY, values)
    rule = Residency.of(layer)
    alone = layer_seconds_on(layer, machine, rule)
    assert design.latency_s == pytest.approx(float(alone))
    costs = read_cost()
    area = costs.area_mm2(machine)
    assert design.area_mm2 == pytest.approx(area)
    joules = costs.layer_joules(layer, machine, rule)
    assert design.power_w == pytest.approx(
        costs.static_w(area) + joules / design.latency_s
    )


def test_a_tensor_rate_goes_with_the_named_one_unless_it_is_named_too() -> None:
    layer = make_layer(make_call(bf16=30))
    (found,) = explore([layer], parse_sweep("fp8=1000T:4000T:3"))
    assert found.latency_s == pytest.approx([60e-6, 30e-6, 15e-6])
    sweep = parse_sweep("fp8=1000T:4000T:3,bf16=1000T")
    (both,) = explore([layer], sweep)
    assert both.latency_s == pytest.approx(np.full((3, 1), 30e-6))


def test_the_source_is_judged_by_the_same_models() -> None:
    found = explored()
    assert found.source.latency_s == pytest.approx(LAYER.time_s)
    assert found.source.values == {
        Resource.BANDWIDTH: 5e12,
        Resource.FP8: 2e15,
        Resource.ON_CHIP_CAPACITY: 50e6,
    }
    sweep = parse_sweep("bandwidth=5TB,fp8=2000T,sram=50MB")
    (same,) = explore([LAYER], sweep)
    design = same.design(0)
    assert (design.latency_s, design.area_mm2, design.power_w) == pytest.approx(
        (found.source.latency_s, found.source.area_mm2, found.source.power_w)
    )


def test_the_cheapest_design_meets_the_target_and_no_smaller_one_does() -> None:
    found = explored()
    target_s = float(np.median(found.latency_s))
    cheapest = found.cheapest(target_s)
    assert cheapest is not None
    assert cheapest.latency_s <= target_s
    meets = found.area_mm2[found.latency_s <= target_s]
    assert cheapest.area_mm2 == meets.min()
    assert found.cheapest(float(found.latency_s.min()) / 2) is None


def test_fronts_begin_with_the_quickest_and_end_with_the_least() -> None:
    found = explored()
    for front, measure in (
        (found.cost_front, found.area_mm2),
        (found.power_front, found.power_w),
    ):
        name = "area_mm2" if measure is found.area_mm2 else "power_w"
        assert front[0].latency_s == found.latency_s.min()
        assert getattr(front[-1], name) == measure.min()


def test_efficiency_is_tokens_over_energy_and_over_area() -> None:
    found = explored()
    design = found.design(17)
    place = np.unravel_index(17, found.latency_s.shape)
    # 4 tokens a pass of the layer.
    assert design.tokens_per_s == pytest.approx(4 / design.latency_s)
    assert found.tokens_per_joule[place] == pytest.approx(4 / design.joules)
    assert design.tokens_per_joule == pytest.approx(4 / design.joules)
    assert found.tokens_per_s_mm2[place] == pytest.approx(design.tokens_per_s_mm2)


def test_an_axis_that_the_source_lacks_ties_nothing() -> None:
    layer = make_layer(make_call(tensor=5, hbm=1))
    (found,) = explore([layer], parse_sweep("fp4=1000T:2000T:2"))
    assert found.latency_s == pytest.approx([5e-6, 5e-6])
    assert Resource.FP4 not in found.source.values


def test_a_million_designs_take_under_ten_seconds_and_half_a_gigabyte() -> None:
    """Of 36 calls, as a DeepSeek layer has; about 0.1 s on two cores."""
    calls = [
        make_call(hbm=5 + i, tensor=3 + i % 7, vector=i % 3, fixed=2, op=f"op {i}")
        for i in range(36)
    ]
    sweep = parse_sweep("bandwidth=1TB:16TB,fp8=250T:4000T,sram=32MB:512MB")
    start = time.perf_counter()
    (found,) = explore([make_layer(*calls)], sweep)
    assert found.cost_front
    assert found.power_front
    assert found.cheapest(found.source.latency_s) is not None
    assert time.perf_counter() - start < 10
    assert found.points == 1_000_000
    tracemalloc.start()
    explore([make_layer(*calls)], sweep)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 500e6
