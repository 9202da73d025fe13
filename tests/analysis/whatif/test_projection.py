"""A call and a layer on another machine: the time, its interval and its bound."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.whatif.fit import Fits
from dsprof.analysis.whatif.kernel_fit import KernelFit
from dsprof.analysis.whatif.projection import (
    Estimate,
    add_up,
    project_call,
    project_layer,
)
from dsprof.analysis.whatif.target import Target
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms, Term
from dsprof.harness.device import Datapath
from dsprof.harness.records import Cache, LayerPath, Phase

HERE = Target(
    name="Here",
    flops_per_s={Datapath.FP8_TENSOR: 2e15, Datapath.FP32: 5e13},
    hbm_bytes_per_s=5e12,
    on_chip_bytes=5e7,
    on_chip_bytes_per_s=1e13,
    hbm_latency_s=1e-6,
    launch_latency_s=1e-6,
)
TWICE = replace(HERE, name="Twice the HBM", hbm_bytes_per_s=1e13)
FIT = KernelFit(
    kernel="gemm",
    points=10,
    slowdown=dict.fromkeys(Term, 1.0),
    row_s=0.0,
    fixed_s=2e-6,
    not_identified=(),
    error_pct=5.0,
    spread=(0.9, 1.2),
)
FITS = Fits(
    cache=Cache.COLD,
    source=HERE,
    kernels={"gemm": FIT},
    reasons={},
    left_out={},
    extrapolated={},
)


def call(**changes: Any) -> CallTerms:  # noqa: ANN401 -- any field
    """10 us: 8 of HBM and 2 fixed, under them 4 of the tensor cores and 1 on chip."""
    made = CallTerms(
        kernel="gemm",
        op="op",
        time_s=10e-6,
        fitted_s=10e-6,
        tensor_s={Datapath.FP8_TENSOR: 4e-6},
        hbm_s=8e-6,
        on_chip_s=1e-6,
        fixed_s=2e-6,
        flops={Datapath.FP8_TENSOR: 8e9},
        hbm_bytes=4e7,
        on_chip_bytes=4e7,
        footprint_bytes=4e7,
        error_pct=5.0,
    )
    return replace(made, **changes)


def layer(*calls: CallTerms, **changes: Any) -> LayerTerms:  # noqa: ANN401
    made = LayerTerms(
        phase=Phase.DECODE,
        batch_size=4,
        seq_len=1,
        kv_len=None,
        path=LayerPath.AS_SERVED,
        cache=Cache.COLD,
        source=HERE,
        calls=calls,
    )
    return replace(made, **changes)


def test_on_its_own_machine_a_call_takes_what_was_measured() -> None:
    found = project_call(call(), HERE, FITS)
    assert found.estimate.time_s == pytest.approx(10e-6)
    assert found.before is found.after is Term.HBM


def test_the_interval_is_the_fits_own_on_points_it_has_not_seen() -> None:
    estimate = project_call(call(), TWICE, FITS).estimate
    assert estimate.time_s == pytest.approx(6e-6)  # 8 / 2 of HBM, as long as 4 tensor
    assert estimate.low_s == pytest.approx(5.4e-6)
    assert estimate.high_s == pytest.approx(7.2e-6)


def test_with_every_term_reached_the_bound_is_the_intervals_end() -> None:
    estimate = project_call(call(), TWICE, FITS).estimate
    assert estimate.at_most_s == estimate.high_s


def test_a_term_never_reached_may_have_been_about_to_limit_the_call() -> None:
    unsure = call(not_identified=(Term.ON_CHIP,))
    estimate = project_call(unsure, TWICE, FITS).estimate
    assert estimate.time_s == pytest.approx(6e-6)
    # On chip as long as HBM was here, 8 us, and no quicker there; 2 us fixed.
    assert estimate.at_most_s == pytest.approx(1.2 * 10e-6)


def test_a_limit_at_its_rated_value_says_so() -> None:
    quick = replace(TWICE, hbm_bytes_per_s=1e15)
    unsure = call(not_identified=(Term.TENSOR,))
    found = project_call(unsure, quick, FITS)
    assert found.after is Term.TENSOR
    assert found.rests_on_rating
    assert not project_call(call(), quick, FITS).rests_on_rating


def test_a_call_whose_datapath_the_target_lacks_is_impossible_and_left_out() -> None:
    old = replace(HERE, name="Old", flops_per_s={Datapath.FP32: 5e13})
    vector = call(op="norm", tensor_s={}, vector_s=1e-6, flops={})
    found = project_layer(layer(call(), vector), old, FITS)
    (lacking,) = found.impossible
    assert lacking.lacking == (Datapath.FP8_TENSOR,)
    assert math.isinf(lacking.estimate.time_s)
    assert found.total.time_s == pytest.approx(10e-6)
    assert found.is_lower_bound
    assert found.speedup == pytest.approx(1.0)  # of what the target can do


def test_a_layer_is_its_calls_as_often_as_it_has_them() -> None:
    found = project_layer(layer(call(count=3), call(op="other")), TWICE, FITS)
    assert found.total.time_s == pytest.approx(4 * 6e-6)
    assert found.total.low_s == pytest.approx(4 * 5.4e-6)
    assert found.speedup == pytest.approx(10 / 6)
    assert not found.is_lower_bound


def test_a_layers_error_is_weighted_by_time() -> None:
    long = call(op="long", time_s=30e-6, error_pct=10.0)
    found = project_layer(layer(call(error_pct=2.0), long), TWICE, FITS)
    assert found.error_pct == pytest.approx((10 * 2 + 30 * 10) / 40)


def test_a_layer_that_lacks_a_time_is_a_lower_bound() -> None:
    assert project_layer(
        layer(call(), missing=("moe experts",)), TWICE, FITS
    ).is_lower_bound


def test_nothing_adds_up_to_nothing() -> None:
    assert add_up([]) == Estimate(time_s=0, low_s=0, high_s=0, at_most_s=0)
    assert math.isnan(project_layer(layer(), TWICE, FITS).error_pct)
    assert math.isnan(project_layer(layer(), TWICE, FITS).speedup)


@given(
    factors=st.tuples(*[st.floats(0.1, 10)] * 4),
    unreached=st.sets(st.sampled_from([Term.TENSOR, Term.HBM, Term.ON_CHIP])),
)
def test_a_time_lies_within_its_bounds_and_between_the_resources_ratios(
    factors: tuple[float, float, float, float], unreached: set[Term]
) -> None:
    tensor, hbm, on_chip, launch = factors
    there = replace(
        HERE,
        flops_per_s={Datapath.FP8_TENSOR: 2e15 * tensor, Datapath.FP32: 5e13},
        hbm_bytes_per_s=5e12 * hbm,
        on_chip_bytes_per_s=1e13 * on_chip,
        launch_latency_s=1e-6 / launch,
    )
    unsure = call(not_identified=tuple(unreached))
    estimate = project_call(unsure, there, FITS).estimate
    assert estimate.low_s <= estimate.time_s <= estimate.high_s <= estimate.at_most_s
    slack = 1 + 1e-9
    assert 10e-6 / max(factors) <= estimate.time_s * slack
    assert estimate.at_most_s <= 1.2 * 10e-6 / min(factors) * slack
