import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.npu.slack import (
    LEAST,
    LOSS_PCT,
    least_scale,
    percent,
    scales,
    seconds_with,
    slowdown_pct,
)
from dsprof.analysis.whatif.resource import Resource
from dsprof.analysis.whatif.target import Target
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms
from dsprof.harness.device import Datapath
from dsprof.harness.records import Cache, LayerPath, Phase

HBM, VECTOR = (Resource.BANDWIDTH,), (Resource.VECTOR,)
MACHINE = Target(
    name="toy",
    flops_per_s={Datapath.BF16_TENSOR: 1e15, Datapath.FP32: 5e13},
    hbm_bytes_per_s=5e12,
    on_chip_bytes=5e7,
    on_chip_bytes_per_s=1e13,
    hbm_latency_s=1e-6,
    launch_latency_s=1e-6,
)


def layer_of(hbm_s: float, tensor_s: float, fixed_s: float) -> LayerTerms:
    call = CallTerms(
        kernel="linear",
        op="q_b_proj",
        time_s=max(hbm_s, tensor_s) + fixed_s,
        fitted_s=0.0,
        tensor_s={Datapath.BF16_TENSOR: tensor_s},
        hbm_s=hbm_s,
        fixed_s=fixed_s,
        flops={Datapath.BF16_TENSOR: 1.0},
        hbm_bytes=5e12 * hbm_s,
        on_chip_bytes=0.0,
        footprint_bytes=5e12 * hbm_s,
        error_pct=1.0,
    )
    return LayerTerms(
        phase=Phase.DECODE,
        batch_size=1,
        seq_len=1,
        kv_len=None,
        path=LayerPath.AS_SERVED,
        cache=Cache.COLD,
        source=MACHINE,
        calls=(call,),
    )


def test_half_the_bandwidth_doubles_the_part_that_it_limits() -> None:
    # 8 us of HBM and 2 us fixed: 18 us of 10.
    assert slowdown_pct(layer_of(8e-6, 1e-6, 2e-6), HBM, 0.5) == pytest.approx(80)


def test_twice_the_bandwidth_gains_until_the_tensor_cores_limit() -> None:
    # 8 us of HBM become 4, but the tensor cores take 6: 8 us of 10.
    assert slowdown_pct(layer_of(8e-6, 6e-6, 2e-6), HBM, 2.0) == pytest.approx(-20)


def test_a_resource_that_hides_behind_another_can_shrink_to_it() -> None:
    # Of 8 us, 2 are HBM: a quarter is enough, and 5 % of 10 us are 0.5 us more.
    scale = least_scale(layer_of(2e-6, 8e-6, 2e-6), HBM)
    assert scale == pytest.approx(2 / 8.5, rel=0.05)


def test_a_resource_that_is_not_used_can_shrink_to_nothing() -> None:
    assert least_scale(layer_of(8e-6, 1e-6, 2e-6), VECTOR) == LEAST


def test_rounding_is_no_slowdown() -> None:
    assert percent(-2.2e-16) == 0
    assert percent(0.01) == 1


@given(
    hbm_us=st.floats(0.1, 1e4),
    tensor_us=st.floats(0.1, 1e4),
    fixed_us=st.floats(0.1, 100),
)
def test_the_least_scale_keeps_its_promise(
    hbm_us: float, tensor_us: float, fixed_us: float
) -> None:
    layer = layer_of(1e-6 * hbm_us, 1e-6 * tensor_us, 1e-6 * fixed_us)
    assert slowdown_pct(layer, HBM, least_scale(layer, HBM)) <= LOSS_PCT + 1e-9


@given(hbm_us=st.floats(0.1, 1e4), tensor_us=st.floats(0.1, 1e4))
def test_more_of_a_resource_never_costs_time(hbm_us: float, tensor_us: float) -> None:
    layer = layer_of(1e-6 * hbm_us, 1e-6 * tensor_us, 1e-6)
    assert (np.diff(seconds_with(layer, HBM, scales())) <= 0).all()
