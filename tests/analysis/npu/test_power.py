import pytest

from dsprof.analysis.npu.energy import energy_model
from dsprof.analysis.npu.layers import NpuData, npu_data
from dsprof.analysis.npu.power import power
from dsprof.analysis.npu.token_energy import token_parts_j
from dsprof.harness.ceiling import Pattern
from tests.analysis.npu.planted import ceiling
from tests.conftest import Factory


def test_energy_of_a_token_divides_by_the_batch(make_planted: Factory) -> None:
    roofs = (ceiling(Pattern.HBM_READ, 5e12, 750.0),)
    data = npu_data(make_planted(ceilings=roofs))
    section = power(data)
    # Every reading is 250 W, so a byte takes (750 - 250) / 5e12 J.
    model_layer = data.decode[-1]
    model = energy_model(data.profile)
    assert model is not None
    parts = token_parts_j(model_layer, model)
    assert parts["static"] == pytest.approx(250 * model_layer.time_s / 128)
    assert section.recommendations[0].confidence.level == "low"


def test_power_without_a_roof_says_what_is_missing(streams: NpuData) -> None:
    section = power(streams)
    assert not section.recommendations
    assert any("0 measured roofs" in line for line in section.outside)
