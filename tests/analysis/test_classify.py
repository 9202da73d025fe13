import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dsprof.analysis.classify import (
    Basis,
    BoundClass,
    Confidence,
    Thresholds,
    Verdict,
    classify,
    classify_analytic,
)
from dsprof.analysis.limiter import Limiter
from dsprof.analysis.merge import merge_point
from dsprof.harness.counters import Counters
from dsprof.harness.device import Datapath
from dsprof.harness.records import Cache, Measurement, Roof
from tests.conftest import TOY_GPU, Factory

# On the toy GPU the BF16 ridge is 200 FLOP/byte and the FP32 ridge 10.
BELOW, ABOVE = 20.0, 2000.0


@pytest.fixture
def judge(make_counters: Factory, make_measurement: Factory) -> Factory:
    """Classify one cold launch of a BF16 kernel of a given analytic intensity."""

    def make(**changes: Any) -> Verdict:  # noqa: ANN401 -- any field
        intensity = changes.pop("intensity", BELOW)
        thresholds = changes.pop("thresholds", Thresholds())
        row = make_measurement(
            flops={Datapath.BF16_TENSOR: round(1000 * intensity)},
            bytes_read=900,
            bytes_written=100,
        )
        return classify(
            merge_point((make_counters(**changes),), row), TOY_GPU, thresholds
        )

    return make


def percentages(c_pct: float, m_pct: float) -> dict[str, float]:
    """C and M as SM % and memory %, with the other units far below them."""
    return {"sm_pct": c_pct, "memory_pct": m_pct, "dram_pct": 0.0}


@pytest.mark.parametrize(
    ("c_pct", "m_pct", "intensity", "bound_class"),
    [
        # Means of the three classes of a published profile of DeepSeek-R1.
        (36.21, 32.23, ABOVE, BoundClass.COMPUTE),  # 1.12 times, 3.98 points
        (9.38, 41.20, BELOW, BoundClass.MEMORY),
        (12.25, 27.52, BELOW, BoundClass.BALANCED),  # under the floor of 30
    ],
)
def test_published_class_means_fall_into_their_classes(
    judge: Factory,
    c_pct: float,
    m_pct: float,
    intensity: float,
    bound_class: BoundClass,
) -> None:
    verdict = judge(intensity=intensity, **percentages(c_pct, m_pct))
    assert verdict.bound_class is bound_class
    assert not verdict.conflict


@pytest.mark.parametrize(
    ("c_pct", "m_pct", "bound_class"),
    [
        (10.0, 30.0, BoundClass.MEMORY),
        (10.0, 29.9, BoundClass.BALANCED),
        (80.0, 88.1, BoundClass.MEMORY),  # 1.101 times
        (80.0, 87.9, BoundClass.BALANCED),  # 1.099 times: near parity
        (28.0, 31.0, BoundClass.MEMORY),  # 1.107 times and 3 points
        (28.0, 30.9, BoundClass.BALANCED),  # 1.104 times, but 2.9 points
    ],
)
def test_a_side_dominates_from_its_thresholds_on(
    judge: Factory, c_pct: float, m_pct: float, bound_class: BoundClass
) -> None:
    assert judge(**percentages(c_pct, m_pct)).bound_class is bound_class


def test_an_intensity_at_the_ridge_is_on_the_compute_side(judge: Factory) -> None:
    verdict = judge(intensity=200.0, **percentages(80.0, 40.0))
    assert verdict.bound_class is BoundClass.COMPUTE


def test_c_and_m_are_the_larger_of_their_two_percentages(judge: Factory) -> None:
    tensor = judge(intensity=ABOVE, sm_pct=5.0, tensor_pipe_pct=70.0, memory_pct=40.0)
    assert tensor.bound_class is BoundClass.COMPUTE
    assert "C = tensor_pipe_pct 70.0 %" in tensor.evidence
    dram = judge(sm_pct=40.0, memory_pct=20.0, dram_pct=70.0)
    assert dram.bound_class is BoundClass.MEMORY
    assert "M = dram_pct 70.0 %" in dram.evidence


def test_a_busy_side_that_is_not_the_intensitys_is_a_conflict(judge: Factory) -> None:
    busy_sm = judge(intensity=BELOW, sm_pct=70.0, memory_pct=30.0)
    assert busy_sm.bound_class is BoundClass.BALANCED
    assert busy_sm.conflict
    assert busy_sm.limiter is Limiter.ISSUE  # 0.02 % of FP32's peak, no tensor work
    busy_l2 = judge(intensity=ABOVE, memory_pct=70.0, l2_pct=70.0, dram_pct=5.0)
    assert busy_l2.bound_class is BoundClass.BALANCED
    assert busy_l2.conflict
    assert busy_l2.limiter is Limiter.L2


def test_a_mover_without_flop_that_keeps_the_sm_busy_is_limited_by_issue(
    make_counters: Factory, make_measurement: Factory
) -> None:
    launch = make_counters(sm_pct=77.0, fp32_flops=0.0)
    verdict = classify(merge_point((launch,), make_measurement(flops={})), TOY_GPU)
    assert verdict.bound_class is BoundClass.BALANCED
    assert verdict.conflict
    assert verdict.limiter is Limiter.ISSUE
    assert "AI = 0 FLOP/byte (analytic)" in verdict.evidence


@pytest.mark.parametrize(
    ("changes", "limiter"),
    [
        # L2's own percentage may exceed memory %, where DRAM is all of memory %.
        ({"memory_pct": 40.0, "dram_pct": 40.0, "l2_pct": 58.0}, Limiter.DRAM),
        ({"memory_pct": 40.0, "dram_pct": 20.0, "l2_pct": 58.0}, Limiter.L2),
        ({"memory_pct": 70.0, "dram_pct": 13.0, "l1_pct": 73.0}, Limiter.L1),
        ({"memory_pct": 41.0, "dram_pct": 41.0, "sm_pct": 40.0}, Limiter.DRAM),
        ({"memory_pct": 20.0, "l2_pct": 15.0}, Limiter.LATENCY),
        ({"memory_pct": 20.0, "l2_pct": 15.0, "dram_pct": 31.0}, Limiter.DRAM),
        ({"sm_pct": 90.0, "tensor_pipe_pct": 88.0}, Limiter.TENSOR),
        ({"sm_pct": 90.0, "tensor_pipe_pct": 40.0}, Limiter.ISSUE),
        # 5e13 FLOP/s are the peak, so 3e8 FLOP in 10 us are 60 % of it.
        ({"sm_pct": 90.0, "fp32_flops": 3e8}, Limiter.FP),
        ({"sm_pct": 41.0, "memory_pct": 40.0, "fp32_flops": 3e8}, Limiter.FP),
        ({"dram_pct": None, "l2_pct": None, "l1_pct": None}, None),
    ],
)
def test_the_limiter_is_the_unit_that_makes_the_busier_percentage(
    judge: Factory, changes: dict[str, float], limiter: Limiter | None
) -> None:
    base = {"dram_pct": 1.0, "l2_pct": 1.0, "l1_pct": 1.0}
    assert judge(intensity=ABOVE, **base | changes).limiter is limiter


@pytest.mark.parametrize("lacking", ["sm_pct", "memory_pct"])
def test_without_a_side_the_class_is_unknown_and_says_why(
    judge: Factory, lacking: str
) -> None:
    verdict = judge(**{lacking: None, "missing": {lacking: "n/a on this chip"}})
    assert verdict.bound_class is BoundClass.UNKNOWN
    assert verdict.limiter is None
    assert math.isnan(verdict.margin)
    assert verdict.evidence == f"{lacking} is missing: n/a on this chip."
    assert verdict.confidence is Confidence.LOW


def test_a_launch_under_5_us_or_one_wave_is_flagged_whatever_its_class(
    judge: Factory, make_counters: Factory
) -> None:
    assert not judge(waves_per_sm=1.0).latency
    assert judge(waves_per_sm=0.99).latency
    imported = merge_point((make_counters(label="", duration_ns=4_900.0),), None)
    assert classify(imported, TOY_GPU).latency
    assert not classify(imported, TOY_GPU, Thresholds(latency_us=4)).latency


def test_graph_time_decides_the_latency_flag_a_launch(
    make_counters: Factory, make_measurement: Factory, make_timing: Factory
) -> None:
    fast = make_measurement(cold=make_timing(median_us=9.0))
    launches = (make_counters(launch=0), make_counters(launch=1))
    assert not classify(merge_point(launches[:1], fast), TOY_GPU).latency
    assert classify(merge_point(launches, fast), TOY_GPU).latency  # 4.5 us each


def test_a_percentage_above_100_stays_and_is_flagged(judge: Factory) -> None:
    verdict = judge(sm_pct=20.0, memory_pct=104.0)
    assert verdict.bound_class is BoundClass.MEMORY
    assert verdict.above_roof == ("memory_pct",)
    assert "M = memory_pct 104.0 %" in verdict.evidence
    assert verdict.evidence.endswith("memory_pct is above its roof.")
    assert verdict.confidence is Confidence.LOW


def test_without_a_cost_executed_flop_over_cold_dram_bytes_decide(
    make_counters: Factory,
) -> None:
    # 1e9 BF16 FLOP over 1e6 bytes: 1000 FLOP/byte, above the ridge of 200.
    gemm = {
        **percentages(80.0, 40.0),
        "label": "",
        "tensor_bf16_flops": 1e9,
        "dram_bytes": 1e6,
    }
    cold = classify(merge_point((make_counters(**gemm),), None), TOY_GPU)
    assert cold.bound_class is BoundClass.COMPUTE
    assert cold.basis is Basis.COUNTERS
    assert cold.confidence is Confidence.HIGH
    assert "AI = 1e+03 FLOP/byte (counted, cold)" in cold.evidence
    # Warm L2 served the operands: the same quotient says nothing.
    for cache in (Cache.WARM, None):
        launch = make_counters(**gemm | {"cache": cache})
        verdict = classify(merge_point((launch,), None), TOY_GPU)
        assert verdict.bound_class is BoundClass.COMPUTE
        assert verdict.basis is Basis.UTILISATION
        assert verdict.confidence is Confidence.LOW
        assert "no intensity is known" in verdict.evidence


def test_an_intensity_below_the_ridge_holds_in_any_cache_state(
    make_counters: Factory,
) -> None:
    # Cold caches could only add bytes to 1e9 FLOP over 1e8 bytes.
    launch = make_counters(label="", cache=None, tensor_bf16_flops=1e9, dram_bytes=1e8)
    verdict = classify(merge_point((launch,), None), TOY_GPU)
    assert verdict.bound_class is BoundClass.MEMORY
    assert verdict.basis is Basis.COUNTERS
    assert "counted, at most" in verdict.evidence


def test_utilisation_decides_alone_where_the_peak_of_the_datapath_is_unknown(
    make_counters: Factory, make_measurement: Factory
) -> None:
    row = make_measurement(flops={Datapath.FP4_TENSOR: 10})  # the toy GPU has none
    verdict = classify(merge_point((make_counters(),), row), TOY_GPU)
    assert verdict.bound_class is BoundClass.MEMORY
    assert verdict.basis is Basis.UTILISATION
    assert verdict.confidence is Confidence.LOW


def test_intensities_on_two_sides_of_the_ridge_lower_the_confidence(
    judge: Factory,
) -> None:
    # Analytic 2000 FLOP/byte, counted 20: DRAM moved 100 times the compulsory bytes.
    verdict = judge(
        intensity=ABOVE, tensor_bf16_flops=2e6, dram_bytes=1e5, **percentages(70, 40)
    )
    assert verdict.bound_class is BoundClass.COMPUTE
    assert verdict.confidence is Confidence.LOW
    assert "the counters disagree: AI = 20 FLOP/byte" in verdict.evidence


def test_the_ridge_is_that_of_the_unit_that_did_the_work(
    make_counters: Factory, make_measurement: Factory
) -> None:
    # 20 FLOP/byte lie below the BF16 ridge of 200, but above the FP32 ridge of 10.
    row = make_measurement(
        flops={Datapath.BF16_TENSOR: 20_000}, bytes_read=900, bytes_written=100
    )
    launch = make_counters(
        tensor_bf16_flops=0.0, fp32_flops=20_000.0, dram_bytes=1e3,
        **percentages(70.0, 30.0),
    )  # fmt: skip
    verdict = classify(merge_point((launch,), row), TOY_GPU)
    assert verdict.bound_class is BoundClass.COMPUTE
    assert "fp32 ridge of 10" in verdict.evidence


def test_ncus_own_title_is_kept_where_its_rule_ran(judge: Factory) -> None:
    assert judge(nvidia_class="Small Grid").nvidia_class == "Small Grid"
    assert judge(nvidia_class="").nvidia_class == "Latency Issue"
    assert judge(sm_pct=85.0).nvidia_class == "High Throughput"
    assert judge(waves_per_sm=None).nvidia_class == ""


def test_the_margin_is_the_least_change_to_another_class(judge: Factory) -> None:
    # Memory 45 % against 30 %: C may grow by 1.3636 to 40.91; M may fall by 1.3636
    # to 33; the intensity would have to grow by 10.
    assert judge(**percentages(30.0, 45.0)).margin == pytest.approx(45 / 33 - 1)
    # Low down, 3 points are more than a tenth: M may fall to 31, and no further.
    low = judge(**percentages(28.0, 32.0))
    assert low.margin == pytest.approx(32 / 31 - 1)
    # 199 FLOP/byte are 0.5 % below the ridge.
    near = judge(intensity=199.0, **percentages(5.0, 60.0))
    assert near.margin == pytest.approx(200 / 199 - 1)
    # Under the floor, M would have to reach 30.
    idle = judge(**percentages(5.0, 24.0))
    assert idle.margin == pytest.approx(30 / 24 - 1)
    # In conflict, M would have to fall to C / 1.10, or the intensity by 10.
    conflict = judge(intensity=ABOVE, **percentages(44.0, 60.0))
    assert conflict.margin == pytest.approx(60 / 40 - 1)


def test_thresholds_can_be_set_and_stay_with_the_verdict(judge: Factory) -> None:
    strict = Thresholds(floor=60, ratio=2, points=10)
    verdict = judge(thresholds=strict, **percentages(20.0, 50.0))
    assert verdict.bound_class is BoundClass.BALANCED
    assert verdict.thresholds == strict
    assert judge(**percentages(20.0, 50.0)).thresholds == Thresholds()


@pytest.mark.parametrize(
    ("flops", "bound_class", "limiter"),
    [
        ({Datapath.BF16_TENSOR: 100_000}, BoundClass.MEMORY, Limiter.DRAM),
        ({Datapath.BF16_TENSOR: 400_000}, BoundClass.COMPUTE, Limiter.TENSOR),
        ({Datapath.FP32: 400_000}, BoundClass.COMPUTE, Limiter.FP),
        ({}, BoundClass.MEMORY, Limiter.DRAM),
    ],
)
def test_without_counters_the_class_is_the_analytic_side_and_says_so(
    make_measurement: Factory,
    flops: dict[Datapath, int],
    bound_class: BoundClass,
    limiter: Limiter,
) -> None:
    row: Measurement = make_measurement(
        flops=flops,
        bytes_read=1000,
        bytes_written=0,
        roof=Roof(name="spec toy", flops_per_s=1e15, bytes_per_s=5e12),
    )
    verdict = classify_analytic(row)
    assert verdict.bound_class is bound_class
    assert verdict.limiter is limiter
    assert verdict.basis is Basis.ANALYTIC
    assert verdict.confidence is Confidence.LOW
    assert verdict.evidence.startswith("analytic only: AI = ")
    # 100 and 400 FLOP/byte are a factor of 2 from the ridge of 200.
    assert verdict.margin == (1 if flops else math.inf)


def test_without_counters_and_cost_nothing_is_claimed(
    make_measurement: Factory,
) -> None:
    verdict = classify_analytic(make_measurement(roof=None))
    assert verdict.bound_class is BoundClass.UNKNOWN
    assert verdict.limiter is None


def test_the_latency_flag_without_counters_is_of_the_cache_state_asked_for(
    make_measurement: Factory, make_timing: Factory
) -> None:
    row = make_measurement(warm=make_timing(median_us=2.0))
    assert classify_analytic(row, cache=Cache.WARM).latency
    assert not classify_analytic(row, cache=Cache.COLD).latency


percents = st.floats(min_value=0, max_value=120)
intensities = st.floats(min_value=0.01, max_value=1e5)
other_side = {
    BoundClass.COMPUTE: BoundClass.MEMORY,
    BoundClass.MEMORY: BoundClass.COMPUTE,
}


def _verdict(c_pct: float, m_pct: float, intensity: float | None) -> Verdict:
    """The class of a cold BF16 launch whose counted intensity is the given one."""
    launch = Counters(
        kernel_name="k",
        cache=Cache.COLD,
        sm_pct=c_pct,
        memory_pct=m_pct,
        tensor_bf16_flops=None if intensity is None else 1e6 * intensity,
        dram_bytes=1e6,
    )
    return classify(merge_point((launch,), None), TOY_GPU)


@given(low=percents, high=percents, c_pct=percents, intensity=intensities)
def test_more_memory_traffic_never_makes_a_memory_bound_kernel_compute_bound(
    low: float, high: float, c_pct: float, intensity: float
) -> None:
    low, high = sorted((low, high))
    before, after = (_verdict(c_pct, m_pct, intensity) for m_pct in (low, high))
    order = [BoundClass.COMPUTE, BoundClass.BALANCED, BoundClass.MEMORY]
    assert order.index(before.bound_class) <= order.index(after.bound_class)


@given(c_pct=percents, m_pct=percents)
def test_exchanging_both_sides_exchanges_the_class(c_pct: float, m_pct: float) -> None:
    assume(c_pct != m_pct)
    here, there = _verdict(c_pct, m_pct, BELOW), _verdict(m_pct, c_pct, ABOVE)
    swapped = other_side.get(here.bound_class, here.bound_class)
    assert there.bound_class is swapped
    assert there.conflict is here.conflict


@given(c_pct=percents, m_pct=percents, intensity=intensities, data=st.data())
def test_no_change_smaller_than_the_margin_changes_the_class(
    c_pct: float, m_pct: float, intensity: float, data: st.DataObject
) -> None:
    verdict = _verdict(c_pct, m_pct, intensity)
    assume(1e-6 < verdict.margin < 1e6)
    share = data.draw(st.floats(min_value=-0.999, max_value=0.999))
    factor = (1 + verdict.margin) ** share
    for change in (
        (c_pct * factor, m_pct, intensity),
        (c_pct, m_pct * factor, intensity),
        (c_pct, m_pct, intensity * factor),
    ):
        assert _verdict(*change).bound_class is verdict.bound_class
