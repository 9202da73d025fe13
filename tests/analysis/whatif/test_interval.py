from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.whatif.interval import at_worst, interval, layer_interval
from dsprof.analysis.whatif.project import Machines, call_seconds
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms, Term
from dsprof.harness.device import Datapath
from dsprof.harness.records import Cache, LayerPath, Phase
from tests.analysis.whatif.sweeps_made import ROUND

GEMM = CallTerms(
    kernel="gemm",
    op="o_proj",
    time_s=12e-6,
    fitted_s=12e-6,
    tensor_s={Datapath.BF16_TENSOR: 10e-6},
    hbm_s=4e-6,
    on_chip_s=1e-6,
    fixed_s=2e-6,
    flops={Datapath.BF16_TENSOR: 1e10},
    hbm_bytes=4e6,
    on_chip_bytes=4e6,
    footprint_bytes=4e6,
    error_pct=5.0,
    spread=(0.9, 1.2),
)
FAST_TENSOR = replace(ROUND, flops_per_s={Datapath.BF16_TENSOR: 1e16})


def test_a_projection_is_as_wide_as_its_left_out_points() -> None:
    # 10 us of tensor and 2 us fixed, 0.9 and 1.2 times
    assert interval(GEMM, ROUND, ROUND) == pytest.approx((10.8e-6, 14.4e-6))


def test_a_term_never_reached_may_be_as_long_as_the_one_that_was() -> None:
    unknown = replace(GEMM, not_identified=(Term.HBM,))

    # Ten times the tensor rate: 4 us of HBM are left, or the 10 us that it may take.
    assert interval(GEMM, ROUND, FAST_TENSOR)[1] == pytest.approx(1.2 * 6e-6)
    assert interval(unknown, ROUND, FAST_TENSOR)[0] == pytest.approx(0.9 * 6e-6)
    assert interval(unknown, ROUND, FAST_TENSOR)[1] == pytest.approx(1.2 * 12e-6)


def test_a_term_that_a_call_lacks_stays_nothing_at_worst() -> None:
    worst = at_worst(replace(GEMM, on_chip_s=0.0, not_identified=(Term.ON_CHIP,)))

    assert worst.on_chip_s == 0


def test_a_layer_is_off_to_one_side_with_all_its_calls() -> None:
    layer = LayerTerms(
        phase=Phase.DECODE,
        batch_size=1,
        seq_len=1,
        kv_len=None,
        path=LayerPath.AS_SERVED,
        cache=Cache.COLD,
        source=ROUND,
        calls=(replace(GEMM, count=2.0), GEMM),
    )

    assert layer_interval(layer, ROUND) == pytest.approx((3 * 10.8e-6, 3 * 14.4e-6))


@given(
    tensor=st.floats(0.1, 20),
    hbm=st.floats(0.1, 20),
    unknown=st.sampled_from([(), (Term.HBM, Term.ON_CHIP)]),
)
def test_the_projected_time_lies_in_its_interval(
    tensor: float, hbm: float, unknown: tuple[Term, ...]
) -> None:
    target = replace(
        ROUND,
        flops_per_s={Datapath.BF16_TENSOR: tensor * 1e15},
        hbm_bytes_per_s=hbm * 1e12,
    )
    call = replace(GEMM, not_identified=unknown)
    low, high = interval(call, ROUND, target)

    assert low <= float(call_seconds(call, ROUND, Machines.of(target))) <= high
