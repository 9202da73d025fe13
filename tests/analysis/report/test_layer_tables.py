from dataclasses import replace

import pytest

from dsprof.analysis.layer import headroom, layer_times
from dsprof.analysis.report.layer_section import headroom_rankings, layer_scaling
from dsprof.analysis.report.layer_tables import (
    headroom_table,
    layer_scaling_table,
    layer_table,
)
from dsprof.analysis.report.markdown import Code, table
from dsprof.analysis.sizes import REPORTED_SIZES
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Alternative,
    Cache,
    Call,
    LayerKind,
    LayerPath,
    ModelParameter,
    Phase,
    Slot,
)
from tests.conftest import Factory

B1 = REPORTED_SIZES[0]
NORM = Call(kernel="rmsnorm", op="input_layernorm")
SERVED = Slot(
    phase=Phase.DECODE,
    kernel="fp4",
    op="o_proj",
    path=LayerPath.AS_SERVED,
    layer=LayerKind.BOTH,
    step="o_proj",
    alternatives=(
        Alternative(calls=(Call(kernel="fp4", op="o_proj"),)),
        Alternative(calls=(NORM,), stands_in=True),
    ),
)
MISSING = replace(SERVED, kernel="absent", layer=LayerKind.MOE, alternatives=())


@pytest.fixture
def profile(make_profile: Factory, make_measurement: Factory) -> Profile:
    made: Profile = make_profile(
        slots=(SERVED, MISSING),
        measurements=tuple(make_measurement(batch_size=batch) for batch in (1, 8)),
        model=(
            ModelParameter(name="num_hidden_layers", value=10, symbol="L"),
            ModelParameter(name="first_k_dense_replace", value=1, symbol="Ld"),
        ),
    )
    return made


def test_a_counterpart_is_marked_and_a_lack_has_its_reason(profile: Profile) -> None:
    layer = layer_times(profile, B1, LayerPath.AS_SERVED)
    first, second = layer_table(layer).rows
    assert first[:6] == ["o_proj", "all", *map(Code, NORM_CELLS), "10.0", "12.0"]
    assert first[-1] == "counterpart of fp4"
    assert second[1] == "MoE"
    assert second[-1] == "not asked for in this run"


NORM_CELLS = ("rmsnorm", "input_layernorm")


def test_a_divided_roof_has_a_column_of_its_own(profile: Profile) -> None:
    layer = layer_times(profile, B1, LayerPath.AS_SERVED)
    data = layer_table(layer, {NORM: 0.5})
    assert data.headings[-2] == ">Roof of one part (us)"
    assert [row[-2] for row in data.rows] == ["0.500", "-"]


def test_lower_bounds_are_marked_in_the_scaling_table(profile: Profile) -> None:
    layers = [layer_times(profile, B1, LayerPath.AS_SERVED)]
    (row,) = layer_scaling_table(layers).rows
    # 10 layers of 10 us, 12 us cold; 1 token in 0.1 ms.
    assert list(row) == [
        *("1", "≥ 0.0100", "≥ 0.0120", "≥ 0.100", "≥ 0.120"),
        *("≤ 10,000", "≤ 8,333", "1 of 2"),
    ]


def test_the_summary_has_a_row_a_recorded_size(profile: Profile) -> None:
    (batch,) = layer_scaling(profile)
    assert batch.title == "Batch scaling: decode, S=1, as-served"
    assert [row[0] for row in batch.table.rows] == ["1", "8"]
    assert batch.missing == (
        *("absent o_proj", "the 1 dense layer", "final norm and lm_head"),
    )


def test_the_ranking_names_calls_times_and_headroom(profile: Profile) -> None:
    layer = layer_times(profile, B1, LayerPath.AS_SERVED)
    ranked = headroom(layer, Cache.COLD)
    text = table(headroom_table(ranked, 10))
    assert "| 1 | `rmsnorm` | `input_layernorm` | 1 | 12.0 | 0.00860 | 100 |" in text
    (first, *_) = headroom_rankings(profile)
    assert first.title == "Decode B=1, as-served, cold"


def test_a_ranking_without_cold_times_uses_warm_ones(profile: Profile) -> None:
    warm = tuple(replace(row, cold=None) for row in profile.measurements)
    (first, *_) = headroom_rankings(replace(profile, measurements=warm))
    assert first.title == "Decode B=1, as-served, warm"
