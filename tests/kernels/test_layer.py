import pytest

from dsprof.harness.plain import from_plain, to_plain
from dsprof.harness.records import LayerKind, LayerPath, Phase, Slot
from dsprof.kernels.layer import AS_LISTED, AS_SERVED, SLOTS
from dsprof.kernels.registry import kernel_files, load_kernel

# Steps that the model runs and no kernel file times; see ``missing`` of a layer.
WITHOUT_FILE = {"scaled_fp4_quant"}


def slots(path: LayerPath, phase: Phase) -> list[Slot]:
    return [slot for slot in SLOTS if (slot.path, slot.phase) == (path, phase)]


def test_the_list_has_19_decode_rows_in_order() -> None:
    rows = slots(LayerPath.AS_LISTED, Phase.DECODE)
    assert len(rows) == 19
    assert [row.kernel for row in rows[:4]] == [
        *("rmsnorm", "dsv3_fused_a_gemm", "rmsnorm", "rmsnorm"),
    ]
    assert rows[-1].kernel == "apply_shuffle_mul_sum"


@pytest.mark.parametrize("listed", [AS_LISTED, AS_SERVED])
def test_no_slot_is_there_twice(listed: tuple[Slot, ...]) -> None:
    assert len(set(listed)) == len(listed)


def test_every_alternative_names_a_kernel_and_an_op_that_it_has() -> None:
    calls = {call for slot in SLOTS for choice in slot.choices for call in choice.calls}
    unknown = {call.kernel for call in calls} - set(kernel_files())
    assert unknown <= WITHOUT_FILE
    wrong = [
        call.label
        for call in calls
        if call.kernel in kernel_files()
        and call.op not in {op.name for op in load_kernel(call.kernel).ops}
    ]
    assert wrong == []


def test_every_alternative_runs_in_the_phase_of_its_slot() -> None:
    wrong = [
        (slot.phase, call.label)
        for slot in SLOTS
        for choice in slot.choices
        for call in choice.calls
        if call.kernel in kernel_files()
        and slot.phase not in load_kernel(call.kernel).phases
    ]
    assert wrong == []


def test_the_first_alternative_is_what_the_model_runs() -> None:
    assert not any(slot.choices[0].stands_in for slot in SLOTS)


@pytest.mark.parametrize("phase", list(Phase))
def test_layer_0_differs_from_the_others_by_its_input_norm(phase: Phase) -> None:
    rows = slots(LayerPath.AS_SERVED, phase)
    by_kind = {kind: [r.kernel for r in rows if r.layer is kind] for kind in LayerKind}
    assert by_kind[LayerKind.FIRST] == ["rmsnorm"]
    assert by_kind[LayerKind.LATER] == ["fused_add_rmsnorm"]
    assert by_kind[LayerKind.ONCE] == ["fused_add_rmsnorm", "lm_head"]


def test_slots_survive_the_way_to_disk_and_back() -> None:
    assert [from_plain(Slot, to_plain(slot)) for slot in SLOTS] == list(SLOTS)


def test_a_slot_of_an_older_profile_loads_as_listed() -> None:
    plain = {"phase": "decode", "kernel": "rmsnorm", "op": "input_layernorm"}
    slot = from_plain(Slot, plain)
    assert (slot.path, slot.layer) == (LayerPath.AS_LISTED, LayerKind.MOE)
    assert [call.label for call in slot.choices[0].calls] == ["rmsnorm input_layernorm"]
