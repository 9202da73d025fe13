from dataclasses import replace

import pytest

from dsprof.analysis.sizes import REPORTED_SIZES
from dsprof.analysis.slots import fill_slots, sum_slots
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Alternative,
    Cache,
    Call,
    CatalogueEntry,
    LayerPath,
    Phase,
    Slot,
    Status,
)
from tests.conftest import Factory

B1, B128, PREFILL = REPORTED_SIZES
NORM = Slot(phase=Phase.DECODE, kernel="rmsnorm", op="input_layernorm")
ATTENTION = Slot(phase=Phase.DECODE, kernel="attention", op="attn")


def entry(name: str, reason: str) -> CatalogueEntry:
    return CatalogueEntry(
        name=name,
        source="here",
        category="Attention",
        summary="",
        ops=(),
        limits=(),
        reason=reason,
    )


def asked_for(profile: Profile, *kernels: str) -> Profile:
    return replace(profile, sweep=replace(profile.sweep, kernels=kernels))


def test_a_slot_is_filled_by_the_point_of_its_kernel_op_and_size(
    make_profile: Factory, make_measurement: Factory
) -> None:
    row = make_measurement(batch_size=1)
    rows = (row, make_measurement(batch_size=2), make_measurement(op="other"))
    profile = make_profile(slots=(NORM,), measurements=rows)
    (filled,) = fill_slots(profile, B1)
    assert filled.measurement == row
    assert filled.missing == ""


def test_a_slot_whose_point_has_no_time_says_its_status_and_reason(
    make_profile: Factory, make_measurement: Factory
) -> None:
    row = make_measurement(
        batch_size=128, status=Status.OUT_OF_LIMIT, reason="at most 16 tokens"
    )
    profile = make_profile(slots=(NORM,), measurements=(row,))
    (filled,) = fill_slots(profile, B128)
    assert filled.missing == "out_of_limit: at most 16 tokens"


def test_a_slot_without_a_row_takes_the_catalogues_reason(
    make_profile: Factory,
) -> None:
    catalogue = (entry("attention", "needs compute capability 10.0"),)
    profile = make_profile(slots=(ATTENTION,), catalogue=catalogue)
    (filled,) = fill_slots(profile, B1)
    assert filled.missing == "needs compute capability 10.0"
    assert filled.category == "Attention"


@pytest.mark.parametrize(
    ("kernels", "reason"),
    [
        ((), "not asked for in this run"),
        (("attention",), "this run has no point at decode B=1"),
    ],
)
def test_a_slot_that_the_sweep_left_out_says_so(
    make_profile: Factory, kernels: tuple[str, ...], reason: str
) -> None:
    profile = asked_for(make_profile(slots=(ATTENTION,)), *kernels)
    (filled,) = fill_slots(profile, B1)
    assert filled.missing == reason


def test_an_op_that_was_not_run_is_told_from_a_row_that_was_lost(
    make_profile: Factory, make_measurement: Factory
) -> None:
    slots = (
        Slot(phase=Phase.DECODE, kernel="rmsnorm", op="q_a_layernorm"),
        NORM,
    )
    other = make_measurement(kernel="gate", op="gate", batch_size=1)
    rows = (other, make_measurement(batch_size=4))
    profile = make_profile(slots=slots, measurements=rows)
    assert [filled.missing for filled in fill_slots(profile, B1)] == [
        "rmsnorm was run, but not for this op",
        "planned, but the run has no row for it",
    ]


def test_only_slots_of_the_sizes_phase_are_filled(make_profile: Factory) -> None:
    assert fill_slots(make_profile(slots=(NORM,)), PREFILL) == []


def test_a_sum_counts_a_slot_once_and_names_what_it_lacks(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> None:
    rows = (
        make_measurement(batch_size=1, warm=make_timing(median_us=2.0)),
        *(
            make_measurement(
                kernel="attention",
                op="attn",
                batch_size=1,
                kv_len=kv_len,
                warm=make_timing(median_us=time_us),
                cold=None,
            )
            for kv_len, time_us in ((4096, 30.0), (1024, 10.0))
        ),
    )
    filled = fill_slots(make_profile(slots=(NORM, ATTENTION), measurements=rows), B1)
    warm, cold = sum_slots(filled, Cache.WARM), sum_slots(filled, Cache.COLD)
    assert (warm.timed, warm.total_us, warm.missing) == (2, 12.0, ())
    assert (cold.timed, cold.total_us, cold.missing) == (1, 12.0, (ATTENTION,))


CHOSEN = Slot(
    phase=Phase.DECODE,
    kernel="fp4",
    op="o_proj",
    alternatives=(
        Alternative(calls=(Call(kernel="fp4", op="o_proj"),)),
        Alternative(
            calls=(Call(kernel="quant", op="x"), Call(kernel="fp8", op="o_proj")),
            stands_in=True,
        ),
        Alternative(calls=(Call(kernel="slow", op="o_proj"),), stands_in=True),
    ),
)


def taken(profile: Profile) -> list[tuple[str, bool, str]]:
    return [
        (filled.call.kernel, filled.stands_in, filled.missing)
        for filled in fill_slots(profile, B1)
    ]


def test_a_slot_takes_its_first_alternative_that_is_timed_whole(
    make_profile: Factory, make_measurement: Factory
) -> None:
    unsupported = make_measurement(
        kernel="fp4", op="o_proj", batch_size=1, status=Status.UNSUPPORTED
    )
    fp8 = make_measurement(kernel="fp8", op="o_proj", batch_size=1)
    quant = make_measurement(kernel="quant", op="x", batch_size=1)
    slow = make_measurement(kernel="slow", op="o_proj", batch_size=1)

    def profile(*rows: object) -> Profile:
        made: Profile = make_profile(slots=(CHOSEN,), measurements=rows)
        return made

    whole = profile(unsupported, slow, fp8, quant)
    assert taken(whole) == [("quant", True, ""), ("fp8", True, "")]
    assert taken(profile(unsupported, fp8, slow)) == [("slow", True, "")]
    native = replace(unsupported, status=Status.OK)
    assert taken(profile(native, fp8, quant)) == [("fp4", False, "")]


def test_of_alternatives_that_lack_times_the_one_with_most_is_taken(
    make_profile: Factory, make_measurement: Factory
) -> None:
    fp8 = make_measurement(kernel="fp8", op="o_proj", batch_size=1)
    profile = make_profile(slots=(CHOSEN,), measurements=(fp8,))
    filled = fill_slots(profile, B1)
    assert [entry.call.kernel for entry in filled] == ["quant", "fp8"]
    assert sum_slots(filled, Cache.WARM).missing == (CHOSEN,)
    assert sum_slots(filled, Cache.WARM).total_us == 10.0


def test_slots_of_another_path_and_context_are_left_out(
    make_profile: Factory, make_measurement: Factory
) -> None:
    served = replace(ATTENTION, path=LayerPath.AS_SERVED)
    rows = tuple(
        make_measurement(kernel="attention", op="attn", batch_size=1, kv_len=kv_len)
        for kv_len in (1024, 4096)
    )
    profile = make_profile(slots=(NORM, served), measurements=rows)
    (filled,) = fill_slots(profile, B1, path=LayerPath.AS_SERVED, kv_len=4096)
    assert filled.measurement == rows[1]
