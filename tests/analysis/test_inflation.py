from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.inflation import explain_inflation
from dsprof.analysis.merge import merge_point
from dsprof.harness.counters import Counters
from dsprof.harness.device import Datapath
from dsprof.harness.records import Measurement, Phase, Point, Status
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


@pytest.mark.parametrize(
    ("sizes", "ratio", "reason"),
    [
        ({"m": 4}, 16, "m = 4 in tiles of 64 is 64"),
        # 100 rows are 128 in tiles of 32, 64 and 128 alike.
        ({"m": 100}, 1.28, "m = 100 in tiles of 32 or 64 or 128 is 128"),
        # 2112 = 16.5 * 128: the 17th tile of 128 makes it 2176.
        ({"n": 2112}, 2176 / 2112, "n = 2112 in tiles of 128 is 2176"),
        ({"k": 500}, 512 / 500, "k = 500 in tiles of 16 or 32 or 64 or 128 or 256"),
        (
            {"m": 4, "n": 2112},
            16 * 2176 / 2112,
            "m = 4 in tiles of 64 is 64, n = 2112 in tiles of 128 is 2176",
        ),
        # 192 is no power of two, but a tile of cuBLAS: 200 rows are 384.
        ({"m": 200}, 384 / 200, "m = 200 in tiles of 192 is 384"),
    ],
)
def test_a_tile_that_gives_the_ratio_is_named(
    explain: Factory, sizes: dict[str, int], ratio: float, reason: str
) -> None:
    assert reason in explain(ratio=ratio, **sizes)
    assert explain(ratio=ratio, **sizes).startswith("tile padding: ")


def test_a_ratio_that_no_tile_gives_is_not_explained(explain: Factory) -> None:
    assert explain(ratio=1.37) == (
        "not explained: 1.37 times the formula's FLOP, no tile fits"
    )
    assert explain(ratio=0.5).startswith("not explained")


def test_a_cache_that_is_no_whole_number_of_tiles_is_padded(explain: Factory) -> None:
    said = explain(ratio=1024 / 1000, category="Attention", kv_len=1000, k=0)
    assert said.startswith("tile padding: kv_len = 1000 in tiles of ")
    assert said.endswith("is 1024")


def test_rows_of_experts_are_rounded_up_to_blocks(explain: Factory) -> None:
    # 32 assignments of 30 experts in blocks of 16 rows: 480 rows.
    said = explain(ratio=15, category="MoE", m=32)
    assert said == (
        "MoE padding: m = 32 rows of all experts, rounded up to blocks an expert, "
        "are 480, whole blocks of 16 or 32"
    )
    # 483 rows are no whole blocks.
    assert explain(ratio=483 / 32, category="MoE", m=32).startswith("not explained")
    # Several GEMMs in one call: the rows of each are not on record.
    fused = explain(ratio=1.3, category="MoE", m=4, k=0)
    assert fused.startswith("MoE padding: 1.3 times the rows")


def test_causal_tiles_across_the_diagonal_are_named_where_they_give_the_ratio(
    explain: Factory,
) -> None:
    # 256 tokens in tiles of 128 x 128: 3 tiles of 16384 scores against 256 * 257 / 2.
    prompt = {"category": "Attention", "phase": Phase.PREFILL, "seq_len": 256, "k": 0}
    said = explain(ratio=3 * 16384 / 32896, **prompt)
    assert said == (
        "causal tiles across the diagonal: 1.494 times the masked half is what tiles "
        "of up to 64 x 128 or 128 x 128 (queries x keys) do"
    )
    # 12.85 keys a query more than the 128.5 that the mask leaves.
    assert explain(ratio=1.1, **prompt) == (
        "causal tiles across the diagonal: 13 keys a query beyond the 128 that the "
        "mask leaves it on average"
    )
    assert explain(ratio=4.0, **prompt).startswith("not explained")  # no mask does that


def test_flop_beside_the_tensor_cores_are_told(explain: Factory) -> None:
    assert explain(ratio=1.0, fp32_flops=100_000.0) == (
        "FP32 side work besides, not in the formula: 1e+05 FLOP, 10.0% of it"
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


@given(
    m=st.integers(min_value=1, max_value=20_000),
    tile=st.sampled_from([8, 16, 32, 64, 128, 256]),
)
def test_every_padding_to_a_power_of_two_is_found(m: int, tile: int) -> None:
    padded = -(-m // tile) * tile
    row = Measurement(
        point=Point(
            kernel="linear", op="x", phase=Phase.DECODE, batch_size=m, seq_len=1
        ),
        status=Status.OK, category="GEMM", m=m, n=256, k=512,
        flops={Datapath.BF16_TENSOR: 2 * m * 256 * 512},
    )  # fmt: skip
    launch = Counters(kernel_name="k", tensor_bf16_flops=2.0 * padded * 256 * 512)
    said = explain_inflation(merge_point((launch,), row))
    if padded - m <= 0.005 * m:
        assert said == ""
    else:
        assert f"m = {m} in tiles of " in said
        assert said.endswith(f" is {padded}")
