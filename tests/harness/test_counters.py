import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.counters import (
    NOT_IN_REPORT,
    Counters,
    counter_metrics,
    metrics_to_ask,
    read_counters,
    stall_metrics,
)
from dsprof.harness.device import Datapath

H200, B200, RTX_5090 = (9, 0), (10, 0), (12, 0)
FADD, FMUL, FFMA = (
    f"smsp__sass_thread_inst_executed_op_{op}_pred_on.sum"
    for op in ("fadd", "fmul", "ffma")
)


def read(**values: float) -> Counters:
    return Counters(kernel_name="k", **read_counters(values))


def test_tensor_flop_are_asked_of_the_kernels_own_datapath_alone() -> None:
    asked = metrics_to_ask({Datapath.BF16_TENSOR}, H200)
    tensor = [name for name in asked if "ops_path_tensor" in name]
    assert tensor == ["sm__ops_path_tensor_src_bf16_dst_fp32.sum"]
    assert not any(
        "ops_path_tensor" in n for n in metrics_to_ask({Datapath.FP32}, H200)
    )


def test_an_fp8_kernel_on_hopper_is_asked_for_fp16_mma_as_well() -> None:
    asked = metrics_to_ask({Datapath.FP8_TENSOR}, H200)
    assert "sm__ops_path_tensor_src_fp8.sum" in asked
    assert any("op_hmma_src_fp16_dst_fp32" in name for name in asked)
    asked = metrics_to_ask({Datapath.FP8_TENSOR}, B200)
    assert "sm__ops_path_tensor_src_fp4_fp6_fp8_dst_fp32.sum" in asked
    assert not any("op_hmma" in name for name in asked)


@pytest.mark.parametrize(
    ("capability", "name"),
    [
        (H200, "dram__bytes_read.sum"),
        (B200, "dram__bytes_read.sum"),
        (RTX_5090, "dram__bytes_op_read.sum"),
    ],
)
def test_a_metric_that_a_generation_renamed_is_asked_for_by_its_name_there(
    capability: tuple[int, int], name: str
) -> None:
    asked = metrics_to_ask(set(), capability)
    assert name in asked
    assert len([n for n in asked if "read.sum" in n and "dram" in n]) == 1


def test_packed_fp32_is_asked_for_where_the_chip_has_it() -> None:
    assert not any("ffma2" in name for name in metrics_to_ask(set(), H200))
    assert any("ffma2" in name for name in metrics_to_ask(set(), B200))


def test_nothing_is_asked_for_twice_and_the_name_that_does_not_exist_never() -> None:
    asked = metrics_to_ask(set(Datapath), H200)
    assert len(set(asked)) == len(asked)
    assert not any(name.startswith("mem__throughput") for name in asked)


def test_stall_reasons_of_hopper_are_not_asked_for_elsewhere() -> None:
    gmma = "smsp__average_warps_issue_stalled_gmma_per_issue_active.ratio"
    assert gmma in stall_metrics(H200)
    assert gmma not in stall_metrics(B200)


def test_fp32_flop_count_an_fma_twice() -> None:
    # 10 + 20 + 2 * 30
    assert read(**{FADD: 10, FMUL: 20, FFMA: 30}).fp32_flops == 90


def test_a_sum_that_lacks_a_part_is_missing_rather_than_too_small() -> None:
    counters = read(**{FFMA: 30})
    assert counters.fp32_flops is None
    assert counters.missing["fp32_flops"] == NOT_IN_REPORT


def test_the_same_count_under_another_unit_will_do() -> None:
    other = {name.replace("smsp__", "sm__"): 1.0 for name in (FADD, FMUL, FFMA)}
    assert read(**other).fp32_flops == 4


def test_dram_bytes_come_from_the_rate_where_a_section_prints_that_alone() -> None:
    # 2e12 byte/s for 5 us
    rate = {"dram__bytes.sum.per_second": 2e12, "gpu__time_duration.sum": 5000.0}
    assert read(**rate).dram_bytes == pytest.approx(1e7)
    assert read(**rate, **{"dram__bytes.sum": 3.0}).dram_bytes == 3.0


def test_children_stand_for_the_tensor_count_that_a_section_leaves_out() -> None:
    counters = read(
        **{
            "sm__ops_path_tensor_src_fp8_sparsity_off.sum": 64.0,
            "sm__ops_path_tensor_src_fp8_sparsity_on.sum": 0.0,
        }
    )
    assert counters.executed_flops == {Datapath.FP8_TENSOR: 64.0}


def test_a_parent_is_not_added_to_its_children() -> None:
    counters = read(
        **{
            "sm__ops_path_tensor_src_fp8.sum": 64.0,
            "sm__ops_path_tensor_src_fp8_sparsity_off.sum": 64.0,
            "sm__ops_path_tensor_src_fp8_sparsity_on.sum": 0.0,
        }
    )
    assert counters.tensor_fp8_flops == 64.0


def test_an_absent_counter_is_none_with_a_reason_and_never_zero() -> None:
    found = read_counters({}, lambda name: f"n/a: {name}")
    counters = Counters(kernel_name="k", **found)
    assert counters.sm_pct is None
    assert counters.missing["sm_pct"].startswith("n/a: sm__throughput")
    assert counters.executed_flops == {}
    assert counters.occupancy_limiter == ""


def test_the_occupancy_limiter_is_what_allows_the_fewest_blocks() -> None:
    counters = Counters(
        kernel_name="k",
        limit_registers_blocks=2,
        limit_shared_memory_blocks=1,
        limit_warps_blocks=8,
        limit_barriers_blocks=0,
    )
    assert counters.occupancy_limiter == "shared memory"


@given(st.dictionaries(st.text(), st.floats(allow_nan=False), max_size=5))
def test_metrics_that_are_no_counters_change_nothing(values: dict[str, float]) -> None:
    assert read_counters(values) == read_counters({})


def test_every_counter_has_a_metric_and_a_known_unit() -> None:
    units = {metrics.unit for metrics in counter_metrics().values()}
    assert units <= {
        "", "ns", "hz", "%", "byte", "byte/s", "byte/block", "block",
        "register/thread",
    }  # fmt: skip
    assert all(m.names(9) or m.names(10) for m in counter_metrics().values())
