import math
from dataclasses import replace
from typing import Any

import pytest

from dsprof.analysis.layer import (
    Part,
    batch_scaling,
    headroom,
    layer_times,
    path_of,
)
from dsprof.analysis.sizes import REPORTED_SIZES
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    LayerKind,
    LayerPath,
    ModelParameter,
    Phase,
    Slot,
)
from tests.conftest import Factory

B1 = REPORTED_SIZES[0]
MODEL = (
    ModelParameter(name="num_hidden_layers", value=61, symbol="L"),
    ModelParameter(name="first_k_dense_replace", value=3, symbol="Ld"),
)
# Each kind of slot with a time that no other sum of them has.
TIMES_US = {
    LayerKind.FIRST: 1.0,
    LayerKind.LATER: 10.0,
    LayerKind.BOTH: 100.0,
    LayerKind.DENSE: 1000.0,
    LayerKind.MOE: 10_000.0,
    LayerKind.ONCE: 100_000.0,
}


def slot(kind: LayerKind, **changes: Any) -> Slot:  # noqa: ANN401 -- any field
    made = Slot(
        phase=Phase.DECODE,
        kernel=kind.value,
        op="op",
        path=LayerPath.AS_SERVED,
        layer=kind,
    )
    return replace(made, **changes)


@pytest.fixture
def served(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> Profile:
    rows = tuple(
        make_measurement(
            kernel=kind.value,
            op="op",
            batch_size=1,
            warm=make_timing(median_us=time_us),
            cold=make_timing(median_us=2 * time_us),
        )
        for kind, time_us in TIMES_US.items()
    )
    made: Profile = make_profile(
        slots=tuple(map(slot, TIMES_US)), measurements=rows, model=MODEL
    )
    return made


def total_us(profile: Profile, part: Part, cache: Cache = Cache.WARM) -> float:
    layer = layer_times(profile, B1, LayerPath.AS_SERVED)
    return layer.parts[cache][part].total_us


def test_a_layer_runs_its_own_steps_and_those_of_all_layers(served: Profile) -> None:
    assert total_us(served, Part.MOE) == 10 + 100 + 10_000
    assert total_us(served, Part.DENSE) == 10 + 100 + 1000
    assert total_us(served, Part.MOE, Cache.COLD) == 2 * (10 + 100 + 10_000)


def test_the_model_is_3_dense_and_58_moe_layers_and_what_comes_once(
    served: Profile,
) -> None:
    # 1 + 60 x 10 + 61 x 100 + 3 x 1000 + 58 x 10,000 + 100,000
    assert total_us(served, Part.MODEL) == 689_701


def test_tokens_per_second_are_a_passs_tokens_over_the_models_time(
    served: Profile,
) -> None:
    layer = layer_times(served, B1, LayerPath.AS_SERVED)
    assert layer.tokens_per_s(Cache.WARM) == pytest.approx(1 / 0.689701)


def test_a_step_that_a_layer_does_twice_counts_twice(served: Profile) -> None:
    slots = tuple(
        replace(one, count=2) if one.layer is LayerKind.MOE else one
        for one in served.slots
    )
    assert total_us(replace(served, slots=slots), Part.MOE) == 10 + 100 + 20_000


def test_a_sum_without_every_call_is_a_lower_bound_and_names_them(
    served: Profile,
) -> None:
    gone = tuple(row for row in served.measurements if row.point.kernel != "moe")
    layer = layer_times(replace(served, measurements=gone), B1, LayerPath.AS_SERVED)
    parts = layer.parts[Cache.WARM]
    assert parts[Part.MOE].is_lower_bound
    assert parts[Part.MOE].missing == ("moe op",)
    assert parts[Part.MODEL].missing == ("moe op",)
    assert not parts[Part.DENSE].is_lower_bound


def test_a_path_without_dense_layers_and_head_says_so(served: Profile) -> None:
    slots = tuple(one for one in served.slots if one.layer is LayerKind.MOE)
    layer = layer_times(replace(served, slots=slots), B1, LayerPath.AS_SERVED)
    parts = layer.parts[Cache.WARM]
    assert Part.DENSE not in parts
    assert parts[Part.MODEL].total_us == 58 * 10_000
    assert parts[Part.MODEL].missing == ("the 3 dense layers", "final norm and lm_head")


def test_a_profile_that_does_not_count_its_layers_has_no_model_time(
    served: Profile,
) -> None:
    layer = layer_times(replace(served, model=()), B1, LayerPath.AS_SERVED)
    assert set(layer.parts[Cache.WARM]) == {Part.MOE, Part.DENSE}
    assert math.isnan(layer.tokens_per_s(Cache.WARM))


def test_scaling_has_the_batch_sizes_that_were_recorded(
    served: Profile, make_measurement: Factory
) -> None:
    rows = (
        *served.measurements,
        make_measurement(batch_size=2),  # not a row of the table
        make_measurement(batch_size=64),
    )
    layers = batch_scaling(
        replace(served, measurements=rows), LayerPath.AS_SERVED, None
    )
    assert [layer.size.batch_size for layer in layers] == [1, 64]


def test_the_path_is_as_listed_where_nothing_of_the_served_one_has_a_time(
    served: Profile,
) -> None:
    assert path_of(served) is LayerPath.AS_SERVED
    assert path_of(replace(served, measurements=())) is LayerPath.AS_LISTED


def test_headroom_is_the_share_of_the_layer_that_the_roof_does_not_explain(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> None:
    # Of 100 us, "both" takes 60 with a roof of 30, "moe" 40 with a roof of 4.
    rows = tuple(
        make_measurement(
            kernel=kernel,
            op="op",
            batch_size=1,
            warm=make_timing(median_us=time_us),
            flops={},
            bytes_read=round(roof_us * 1e-6 * 5e12),
            bytes_written=0,
        )
        for kernel, time_us, roof_us in (("both", 60.0, 30.0), ("moe", 40.0, 4.0))
    )
    slots = tuple(map(slot, (LayerKind.BOTH, LayerKind.MOE)))
    profile = make_profile(slots=slots, measurements=rows, model=MODEL)
    layer = layer_times(profile, B1, LayerPath.AS_SERVED)
    ranked = headroom(layer, Cache.WARM)
    assert [one.entry.call.kernel for one in ranked] == ["moe", "both"]
    assert [one.share_pct for one in ranked] == [40.0, 60.0]
    assert [one.headroom_pct for one in ranked] == pytest.approx([36.0, 30.0])


def test_equal_calls_of_a_layer_are_one_rank(
    make_profile: Factory, make_measurement: Factory
) -> None:
    row = make_measurement(batch_size=1)
    slots = tuple(
        slot(kind, kernel="rmsnorm", op="input_layernorm", step=kind.value)
        for kind in (LayerKind.LATER, LayerKind.BOTH, LayerKind.ONCE)
    )
    profile = make_profile(slots=slots, measurements=(row,))
    layer = layer_times(profile, B1, LayerPath.AS_SERVED)
    (only,) = headroom(layer, Cache.WARM)
    assert (only.calls, only.time_us, only.share_pct) == (2, 20.0, 100.0)
