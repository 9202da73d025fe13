from typing import Any

import pytest

from dsprof.analysis.inflation import explain_inflation
from dsprof.analysis.merge import merge_point
from dsprof.harness.device import Datapath
from tests.conftest import Factory


@pytest.fixture
def explain(make_counters: Factory, make_measurement: Factory) -> Factory:
    """Explain a BF16 kernel of the given sizes that executed ``ratio`` x its FLOP."""

    def make(**changes: Any) -> str:  # noqa: ANN401 -- any field
        ratio = changes.pop("ratio")
        fp32_flops = changes.pop("fp32_flops", 0.0)
        flops = changes.pop("flops", 1_000_000)
        sizes = {"category": "GEMM", "m": 128, "n": 256, "k": 512}
        row = make_measurement(flops={Datapath.BF16_TENSOR: flops}, **sizes | changes)
        launch = make_counters(tensor_bf16_flops=ratio * flops, fp32_flops=fp32_flops)
        return explain_inflation(merge_point((launch,), row))

    return make


def test_executed_flop_that_are_the_formulas_need_no_reason(explain: Factory) -> None:
    assert explain(ratio=1.0) == ""
    assert explain(ratio=1.0049) == ""


def test_a_ratio_that_no_tile_gives_is_not_explained(explain: Factory) -> None:
    assert explain(ratio=1.37) == (
        "not explained: 1.37 times the formula's FLOP, no tile fits"
    )
    assert explain(ratio=0.5).startswith("not explained")


def test_flop_beside_the_tensor_cores_are_told(explain: Factory) -> None:
    assert explain(ratio=1.0, fp32_flops=100_000.0) == (
        "FP32 side work besides, not in the formula: 1e+05 FLOP, 10.0% of those on "
        "bf16_tensor"
    )
    assert "softmax and rescaling" in explain(
        ratio=1.0, fp32_flops=100_000.0, category="Attention"
    )
    assert explain(ratio=1.0, fp32_flops=4_000.0) == ""  # an epilogue of 0.4 %


def test_a_kernel_that_ran_on_another_unit_is_told(explain: Factory) -> None:
    said = explain(ratio=0.0, fp32_flops=1_000_000.0)
    assert said == (
        "ran on fp32, where 1e+06 FLOP were counted: the declared bf16_tensor counted 0"
    )
    assert explain(ratio=0.0, fp32_flops=1_000.0).startswith(
        "not explained: 0 FLOP on bf16_tensor"
    )


def test_elementwise_work_is_told_an_element(
    make_counters: Factory, make_measurement: Factory
) -> None:
    row = make_measurement(m=10, n=100, flops={Datapath.FP32: 4000})  # 4 an element
    more = merge_point((make_counters(fp32_flops=5600.0),), row)
    assert explain_inflation(more).startswith(
        "5.6 FP32 FLOP executed an element, 4 in the formula: "
    )
    less = merge_point((make_counters(fp32_flops=1000.0),), row)
    assert "1 FP32 FLOP executed an element" in explain_inflation(less)
    assert "not counted" in explain_inflation(less)


def test_flop_of_a_kernel_whose_formula_has_none_are_told(
    make_counters: Factory, make_measurement: Factory
) -> None:
    mover = make_measurement(flops={})
    busy = merge_point((make_counters(fp32_flops=5.0),), mover)
    assert explain_inflation(busy) == (
        "FP32 side work: 5 FLOP executed, none in the formula"
    )
    idle = merge_point((make_counters(fp32_flops=0.0),), mover)
    assert explain_inflation(idle) == ""


def test_nothing_is_said_of_what_was_not_counted(
    make_counters: Factory, make_measurement: Factory
) -> None:
    uncounted = merge_point((make_counters(fp32_flops=None),), make_measurement())
    assert explain_inflation(uncounted) == ""
    assert explain_inflation(merge_point((make_counters(label=""),), None)) == ""
