import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dsprof.analysis.whatif.cost import COST_TOML, KEYS, read_cost
from dsprof.analysis.whatif.project import Machines
from dsprof.analysis.whatif.residency import Residency
from dsprof.harness.errors import UsageError
from tests.analysis.whatif.hand_made import BF16, FP8, TOY, make_call, make_layer

TEXT = COST_TOML.read_text(encoding="utf-8")
LINE = "fixed_mm2.value = 180\n"


def test_every_coefficient_has_a_value_and_a_source() -> None:
    costs = read_cost()
    assert set(costs.values) == {key for keys in KEYS.values() for key in keys}
    assert all(costs.sources.values())


def test_assumptions_say_so() -> None:
    sources = read_cost().sources.values()
    kinds = ("assumption: ", "measured: ", "AMD ")
    assert all(source.startswith(kinds) for source in sources)


def test_area_is_the_sum_over_resources_with_the_dearest_tensor_datapath() -> None:
    costs = read_cost()
    own = costs.values
    # FP8 2000 x 0.123 = 246, BF16 1000 x 0.247 = 247: the dearer.
    tensor = 1000 * own["bf16_tensor_mm2_per_tflop_per_s"]
    expected = (
        own["fixed_mm2"]
        + tensor
        + 50 * own["fp32_mm2_per_tflop_per_s"]
        + 5 * own["hbm_mm2_per_tb_per_s"]
        + 50 * own["on_chip_mm2_per_mb"]
        + 10 * own["on_chip_mm2_per_tb_per_s"]
    )
    assert costs.area_mm2(Machines.of(TOY)) == pytest.approx(expected)
    without = replace(TOY, flops_per_s={FP8: 2e15, BF16: 1e12})
    smaller = costs.area_mm2(Machines.of(without))
    fp8 = 2000 * own["fp8_tensor_mm2_per_tflop_per_s"]
    vector = 50 * own["fp32_mm2_per_tflop_per_s"]
    assert smaller == pytest.approx(expected - tensor - vector + fp8)


def test_energy_is_that_of_flop_and_bytes() -> None:
    # 5 us of HBM are 25 MB, 10 us of FP8 2e10 FLOP; on-chip delivers the 25 MB too.
    costs = read_cost()
    layer = make_layer(make_call(hbm=5, tensor=10, count=2))
    own = costs.values
    picojoules = (
        2e10 * own["fp8_tensor_pj_per_flop"]
        + 25e6 * own["hbm_pj_per_byte"]
        + 25e6 * own["on_chip_pj_per_byte"]
    )
    found = costs.layer_joules(layer, Machines.of(TOY), Residency.of(layer))
    assert found == pytest.approx(2 * picojoules * 1e-12)


def test_bytes_that_stay_on_chip_cost_no_hbm_energy() -> None:
    costs = read_cost()
    layer = make_layer(make_call(hbm=5))
    sizes = np.array([50e6, 1e12])
    machines = replace(Machines.of(TOY), on_chip_bytes=sizes)
    some, none = np.asarray(costs.layer_joules(layer, machines, Residency.of(layer)))
    hbm = 25e6 * costs.values["hbm_pj_per_byte"] * 1e-12
    assert some - none == pytest.approx(hbm)


def test_a_user_s_file_may_give_bare_numbers(tmp_path: Path) -> None:
    document = tomllib.loads(TEXT)
    lines = [
        line
        for table in document
        for line in (f"[{table}]", *(f"{key} = 1" for key in document[table]))
    ]
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    costs = read_cost(path)
    assert set(costs.values.values()) == {1.0}
    assert set(costs.sources.values()) == {"as mine.toml states, without a source"}


@pytest.mark.parametrize(
    ("found", "given_instead", "words"),
    [
        (LINE, "fixed_mm2.value = -1\n", r"\[area\] fixed_mm2.value is -1"),
        (LINE, "fixed_mm2.value = nan\n", "fixed_mm2.value is nan"),
        (LINE, "fixed_mm2.value = true\n", "fixed_mm2.value is True"),
        (LINE, 'fixed_mm2.value = "180"\n', "fixed_mm2.value is '180'"),
        (LINE, "", "fixed_mm2.value is None"),
        (LINE, LINE + "die_mm2 = 1\n", r"\[area\] die_mm2 is not known"),
        (LINE, LINE + "fixed_mm2.unit = 1\n", "fixed_mm2 unit is not known"),
        ("[energy]", "[watts]", "watts is not known. Give only the keys area, energy"),
        ("[area]", "area = [", "is no valid TOML"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(
    tmp_path: Path, found: str, given_instead: str, words: str
) -> None:
    assert found in TEXT
    path = tmp_path / "cost.toml"
    path.write_text(TEXT.replace(found, given_instead), encoding="utf-8")
    with pytest.raises(UsageError, match=words):
        read_cost(path)


def test_a_missing_key_table_and_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "cost.toml"
    path.write_text("[area]\nfixed_mm2 = 1\n", encoding="utf-8")
    with pytest.raises(UsageError, match="fp4_tensor_mm2_per_tflop_per_s is missing"):
        read_cost(path)
    path.write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match=r"\[area\] is no table. Give the keys"):
        read_cost(path)
    with pytest.raises(UsageError, match="Cannot read"):
        read_cost(tmp_path / "absent.toml")
