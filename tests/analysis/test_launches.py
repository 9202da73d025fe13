from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.launches import (
    DSPROF_DOMAIN,
    Launch,
    dsprof_label,
    is_needed,
    launch_size,
    split_values,
    to_counters,
)
from dsprof.harness import counters_csv
from dsprof.harness.bench import NVTX_DOMAIN
from dsprof.harness.counters import counter_metrics, stall_metrics
from dsprof.harness.records import Cache


def launch(**changes: Any) -> Launch:  # noqa: ANN401 -- any field
    return Launch(**{"kernel_name": "k(int)", **changes})


def test_the_label_is_the_start_end_range_of_dsprofs_domain() -> None:
    label = "rmsnorm/op/decode/B=1,S=1"
    theirs = ("other:x", f"dsprof:{label}")
    assert dsprof_label(launch(start_end=theirs)) == label
    assert dsprof_label(launch(push_pop=theirs)) == ""
    assert dsprof_label(launch(start_end=("<default domain>:dsprof",))) == ""


def test_the_domain_is_the_one_that_the_worker_opens() -> None:
    assert DSPROF_DOMAIN == NVTX_DOMAIN


def test_ranges_are_push_pop_then_start_end() -> None:
    both = launch(push_pop=("d:a", "d:b"), start_end=("d:c",))
    assert both.ranges == ("d:a", "d:b", "d:c")


def test_counters_are_read_by_metric_and_a_missing_one_says_why() -> None:
    counters = to_counters(
        launch(
            values={
                "gpu__time_duration.sum": 2000,
                "smsp__sass_thread_inst_executed_op_ffma_pred_on.sum": 8.0,
                "smsp__sass_thread_inst_executed_op_fadd_pred_on.sum": 0.0,
                "smsp__sass_thread_inst_executed_op_fmul_pred_on.sum": 0.0,
                "device__attribute_display_name": "NVIDIA H200",
                stall_metrics((9, 0))[0]: 1.5,
            },
            absent={"dram__bytes.sum": "n/a"},
            rules={"SOLBottleneck": "High Throughput", "Occupancy": "x"},
        ),
        cache=Cache.COLD,
        index=3,
        label="a/b",
    )
    assert counters.duration_ns == 2000
    assert counters.fp32_flops == 16
    assert counters.missing["dram_bytes"] == "n/a"
    assert counters.missing["sm_pct"] == "not in the report"
    assert counters.stalls == {"barrier": 1.5}
    assert counters.nvidia_class == "High Throughput"
    assert (counters.cache, counters.launch, counters.label) == (Cache.COLD, 3, "a/b")


def test_whatever_a_capture_or_a_report_page_needs_is_needed() -> None:
    for metrics in counter_metrics().values():
        assert all(is_needed(name) for source in metrics.sources for name in source)
    assert all(map(is_needed, stall_metrics((9, 0))))
    assert is_needed("launch__grid_dim_x")
    assert not is_needed("sm__inst_executed.avg")


def test_nan_and_none_are_no_values() -> None:
    values, absent = split_values([("a", 1.0), ("b", None), ("c", float("nan"))])
    assert values == {"a": 1.0}
    assert absent == {"b": "no data", "c": "no data (nan)"}


def test_sizes_may_be_doubles_or_missing() -> None:
    values = {f"launch__grid_dim_{axis}": 2.0 for axis in "xyz"}
    assert launch_size(values, "grid") == (2, 2, 2)
    assert launch_size(values, "block") == (0, 0, 0)


@given(st.lists(st.text(min_size=1).filter(str.strip), max_size=3), st.text())
def test_ranges_of_any_name_survive_counters_csv(names: list[str], kernel: str) -> None:
    counters = to_counters(
        launch(kernel_name=f"k{kernel}", push_pop=tuple(f"d:{name}" for name in names)),
        cache=None,
        index=0,
    )
    text = counters_csv.header() + counters_csv.to_line(counters)
    [read] = counters_csv.parse(text, "counters.csv")
    assert read.ranges == counters.ranges
    assert read.missing == counters.missing
