import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.whatif.project import (
    Machines,
    call_seconds,
    call_terms_on,
    is_possible,
    limiting_term,
)
from dsprof.analysis.whatif.target import Target
from dsprof.analysis.whatif.terms import CallTerms, Term
from dsprof.harness.device import Datapath
from tests.analysis.whatif.sweeps_made import ROUND

CALL = CallTerms(
    kernel="gemm",
    op="o_proj",
    time_s=7e-6,
    fitted_s=7e-6,
    tensor_s={Datapath.BF16_TENSOR: 5e-6},
    vector_s=3e-6,
    hbm_s=4e-6,
    on_chip_s=1e-6,
    fixed_s=2e-6,
    flops={Datapath.BF16_TENSOR: 5e9, Datapath.FP32: 1e6},
    hbm_bytes=4e6,
    on_chip_bytes=4e6,
    footprint_bytes=4e6,
    error_pct=5.0,
)


def with_more(term: Term, times: float) -> Target:
    """ROUND with one resource so many times as large."""
    flops = dict(ROUND.flops_per_s)
    match term:
        case Term.TENSOR:
            flops[Datapath.BF16_TENSOR] *= times
        case Term.VECTOR:
            flops[Datapath.FP32] *= times
        case Term.HBM:
            return replace(ROUND, hbm_bytes_per_s=times * ROUND.hbm_bytes_per_s)
        case Term.ON_CHIP:
            rate = times * ROUND.on_chip_bytes_per_s
            return replace(ROUND, on_chip_bytes_per_s=rate)
        case Term.FIXED:
            return replace(ROUND, launch_latency_s=ROUND.launch_latency_s / times)
    return replace(ROUND, flops_per_s=flops)


@given(term=st.sampled_from(list(Term)), times=st.floats(0.01, 100))
def test_more_of_one_resource_shortens_its_own_term_alone(
    term: Term, times: float
) -> None:
    before = call_terms_on(CALL, ROUND, Machines.of(ROUND))
    after = call_terms_on(CALL, ROUND, Machines.of(with_more(term, times)))

    for one in Term:
        expected = before[one] / times if one is term else before[one]
        assert float(after[one]) == pytest.approx(float(expected))


def test_the_longest_term_counts_beside_the_fixed_part() -> None:
    assert float(call_seconds(CALL, ROUND, Machines.of(ROUND))) == pytest.approx(7e-6)
    faster = with_more(Term.TENSOR, 10)
    # tensor 0.5 us, so that HBM's 4 us count
    assert float(call_seconds(CALL, ROUND, Machines.of(faster))) == pytest.approx(6e-6)
    assert limiting_term(CALL, ROUND, faster) is Term.HBM


def test_a_machine_without_the_datapath_cannot_run_the_call() -> None:
    without = replace(ROUND, flops_per_s={Datapath.FP32: 5e13})
    seconds = float(call_seconds(CALL, ROUND, Machines.of(without)))

    assert math.isinf(seconds)
    assert not is_possible(seconds)


def test_arrays_of_machines_give_what_each_gives_alone() -> None:
    rates = np.array([0.5e12, 1e12, 4e12])
    many = replace(Machines.of(ROUND), hbm_bytes_per_s=rates)
    alone = [
        float(
            call_seconds(
                CALL, ROUND, Machines.of(replace(ROUND, hbm_bytes_per_s=float(rate)))
            )
        )
        for rate in rates
    ]

    assert np.asarray(call_seconds(CALL, ROUND, many)).tolist() == pytest.approx(alone)
