from dataclasses import replace

import pytest

from dsprof.analysis.sizes import ProblemSize
from dsprof.analysis.whatif.fit import fit_kernels
from dsprof.analysis.whatif.layer_terms import layer_terms
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms
from dsprof.harness.device import Datapath
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    Call,
    LayerKind,
    LayerPath,
    Measurement,
    Phase,
    Slot,
    Status,
)
from tests.conftest import Factory

SIZE = ProblemSize(phase=Phase.DECODE, batch_size=4, seq_len=1)
NORM = Slot(phase=Phase.DECODE, kernel="rmsnorm", op="input_layernorm")


@pytest.fixture
def rows(make_measurement: Factory, make_timing: Factory) -> tuple[Measurement, ...]:
    return tuple(
        make_measurement(
            batch_size=4**at, cold=make_timing(median_us=4 + 0.1 * at + 4**at / 100)
        )
        for at in range(7)
    )


def terms_of(profile: Profile, cache: Cache = Cache.COLD) -> LayerTerms:
    fits = fit_kernels(profile, cache)
    return layer_terms(profile, fits, SIZE, LayerPath.AS_LISTED, None, cache)


def longest_and_fixed(call: CallTerms) -> float:
    terms = (*call.tensor_s.values(), call.vector_s, call.hbm_s, call.on_chip_s)
    return max(terms) + call.fixed_s


def test_a_calls_terms_add_up_to_its_measured_time(
    make_profile: Factory, rows: tuple[Measurement, ...]
) -> None:
    (call,) = terms_of(make_profile(measurements=rows, slots=(NORM,))).calls

    assert call.time_s == pytest.approx(4.14e-6)  # of 4 tokens
    assert longest_and_fixed(call) == pytest.approx(call.time_s)
    assert call.measured
    assert call.fitted_s == pytest.approx(call.time_s, rel=0.1)


def test_a_call_of_several_steps_is_there_once_with_its_count(
    make_profile: Factory, rows: tuple[Measurement, ...]
) -> None:
    slots = (NORM, replace(NORM, step="again", count=2))
    layer = terms_of(make_profile(measurements=rows, slots=slots))

    assert [call.count for call in layer.calls] == [3]
    assert layer.time_s == pytest.approx(3 * 4.14e-6)


def test_steps_of_other_layers_are_not_in_an_moe_layer(
    make_profile: Factory, rows: tuple[Measurement, ...]
) -> None:
    slots = (replace(NORM, layer=LayerKind.DENSE), replace(NORM, layer=LayerKind.ONCE))

    assert terms_of(make_profile(measurements=rows, slots=slots)).calls == ()


def test_a_step_without_a_time_is_named(
    make_profile: Factory, make_measurement: Factory, rows: tuple[Measurement, ...]
) -> None:
    failed = make_measurement(kernel="gemm", op="o_proj", status=Status.FAILED)
    slots = (NORM, replace(NORM, kernel="gemm", op="o_proj"))
    layer = terms_of(make_profile(measurements=(*rows, failed), slots=slots))

    assert layer.missing == (Call(kernel="gemm", op="o_proj").label,)
    assert [call.kernel for call in layer.calls] == ["rmsnorm"]


def test_tensor_seconds_stand_under_their_datapath(
    make_profile: Factory, make_measurement: Factory
) -> None:
    gemm = make_measurement(kernel="gemm", flops={Datapath.BF16_TENSOR: 10**9})
    slot = replace(NORM, kernel="gemm")
    (call,) = terms_of(make_profile(measurements=(gemm,), slots=(slot,))).calls

    # 1 GFLOP at the toy GPU's 1 PFLOP/s, of a kernel that one point says little of
    assert call.tensor_s == {Datapath.BF16_TENSOR: pytest.approx(1e-6)}
    assert longest_and_fixed(call) == pytest.approx(12e-6)
    assert call.footprint_bytes == gemm.total_bytes
