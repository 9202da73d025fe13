from dataclasses import replace

import pytest

from dsprof.analysis.npu.compute_balance import (
    TENSOR,
    compute_balance,
    limiting_seconds,
    shares_pct,
)
from dsprof.analysis.npu.layers import NpuData, SizedLayer, npu_data
from dsprof.analysis.npu.slack import slowdown_pct
from dsprof.analysis.whatif.terms import Term
from dsprof.harness.profile import Profile
from tests.analysis.npu.planted import Kind
from tests.conftest import Factory


@pytest.fixture
def memory_bound(make_planted: Factory) -> Profile:
    planted: Profile = make_planted(kind=Kind.MEMORY)
    return planted


@pytest.fixture
def compute_bound(make_planted: Factory) -> Profile:
    planted: Profile = make_planted(kind=Kind.COMPUTE)
    return planted


def test_the_limits_of_a_layer_add_up_to_its_time(memory_bound: Profile) -> None:
    for layer in npu_data(memory_bound).layers:
        assert sum(limiting_seconds(layer).values()) == pytest.approx(layer.time_s)
        assert sum(shares_pct(layer).values()) == pytest.approx(100)


def test_a_layer_that_streams_is_limited_by_hbm(memory_bound: Profile) -> None:
    # 6.7 us of bytes and 2 us of launch, and a norm of 2 us: 6.7 of 10.7 us.
    shares = shares_pct(npu_data(memory_bound).decode[0])
    assert shares[Term.HBM] == pytest.approx(100 * 6.7 / 10.7, abs=8)
    assert shares[Term.TENSOR] == 0


def test_a_layer_that_computes_is_limited_by_its_tensor_cores(
    compute_bound: Profile,
) -> None:
    # At 128 rows 2,560 us of arithmetic, and 4 us of launches.
    shares = shares_pct(npu_data(compute_bound).decode[-1])
    assert shares[Term.TENSOR] > 95
    assert shares[Term.HBM] < 1


def test_the_recommendation_turns_with_what_limits(
    memory_bound: Profile, compute_bound: Profile
) -> None:
    streams, computes = (
        compute_balance(npu_data(one)).recommendations[0].number
        for one in (memory_bound, compute_bound)
    )
    assert float(streams.split(" %")[0]) < 50
    # At most 5 % more time: 1 / 1.05 of the rate, to a sixteenth of an octave.
    assert 93 < float(computes.split(" %")[0]) <= 100


def test_half_the_tensor_rate_doubles_a_layer_that_computes(
    compute_bound: Profile,
) -> None:
    layer = npu_data(compute_bound).decode[-1]
    assert slowdown_pct(layer.terms, TENSOR, 0.5) == pytest.approx(100, abs=2)


def test_nothing_is_said_of_a_profile_without_times(make_profile: Factory) -> None:
    section = compute_balance(npu_data(make_profile(measurements=())))
    assert not section.findings
    assert not section.recommendations
    assert not section.tables
    assert section.outside == [
        "Which unit limits the layer: no point of this profile has a time."
    ]


def test_a_vector_rate_that_no_size_reaches_is_said_to_be_a_bound(
    computes: NpuData,
) -> None:
    def unreached(layer: SizedLayer, *terms: Term) -> SizedLayer:
        calls = tuple(
            replace(call, terms=replace(call.terms, not_identified=terms))
            for call in layer.calls
        )
        return replace(layer, calls=calls)

    known, unknown = (
        replace(
            computes, layers=tuple(unreached(one, *terms) for one in computes.layers)
        )
        for terms in ((), (Term.VECTOR,))
    )
    assert not compute_balance(known).outside
    assert (
        compute_balance(unknown)
        .outside[0]
        .startswith("What 2 kernels with 100 % of the time reach of the vector rate")
    )
