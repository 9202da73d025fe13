from dataclasses import replace

import pytest

from dsprof.analysis.moe.counted import ALL, counted_calls
from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.stage_names import PipelineStage
from dsprof.analysis.moe.study import Study, recorded_study
from dsprof.analysis.report.moe_counted_table import counted_table
from dsprof.harness.profile import Profile
from tests.analysis.moe.made import DEEPSEEK, EXPERT_BYTES, OURS
from tests.conftest import Factory

LABEL = f"{OURS}/routed_experts/decode/B=1,S=1"
WEIGHTS = 8 * EXPERT_BYTES  # of the experts that got a row
# Name, time, DRAM bytes, DRAM throughput and SM clock of each launch.
LAUNCHES = (
    ("moe_fused_gate_kernel", 10e3, 1e6, 10.0, 1.9e9),
    ("fused_moe_silu", 60e3, WEIGHTS, 90.0, 1.8e9),
    ("fused_moe", 30e3, WEIGHTS / 3, 80.0, 1.7e9),
)


@pytest.fixture
def counted(with_pipelines: Profile, make_counters: Factory) -> Profile:
    return replace(
        with_pipelines,
        counters=tuple(
            make_counters(
                label=LABEL,
                launch=at,
                function_name=name,
                duration_ns=time_ns,
                dram_bytes=dram_bytes,
                dram_pct=dram_pct,
                sm_clock_hz=clock_hz,
                tensor_pipe_pct=None,
            )
            for at, (name, time_ns, dram_bytes, dram_pct, clock_hz) in enumerate(
                LAUNCHES
            )
        ),
    )


def study_of(profile: Profile) -> Study:
    return recorded_study(profile, DEEPSEEK, Routing.EXPECTED, (1,))


def test_each_gemm_is_held_to_its_weights_and_the_call_to_all_bytes(
    counted: Profile,
) -> None:
    (call,) = counted_calls(study_of(counted))
    assert call.reached.curve.name == OURS
    up, down, whole = call.parts
    assert [part.part for part in call.parts] == [
        PipelineStage.GATE_UP,
        PipelineStage.DOWN,
        ALL,
    ]
    assert up.least_bytes == pytest.approx(WEIGHTS * 2 / 3)
    assert down.least_bytes == pytest.approx(WEIGHTS / 3)
    assert whole.least_bytes == WEIGHTS + 2 * 14_336
    assert (up.time_us, whole.time_us) == (60, 100)
    assert whole.dram_bytes == pytest.approx(1e6 + WEIGHTS * 4 / 3)


def test_shares_are_weighted_by_time(counted: Profile) -> None:
    whole = counted_calls(study_of(counted))[0].parts[-1]
    # 0.1 x 10 + 0.6 x 90 + 0.3 x 80 = 79 %.
    assert whole.mean(lambda one: one.dram_pct) == pytest.approx(79)
    assert whole.mean(lambda one: one.tensor_pipe_pct) is None


def test_the_table_has_ratios_and_says_what_was_not_counted(counted: Profile) -> None:
    up, _, whole = counted_table(study_of(counted)).rows
    # 352.4 MB for 234.9 MB of weights.
    assert up[3:8] == ("60.0", "352 MB", "235 MB", "1.50", "90.0")
    assert whole[8] == "-"
    assert whole[-1] == "1,780"  # 0.1 x 1,900 + 0.6 x 1,800 + 0.3 x 1,700 MHz
    some = replace(counted.counters[0], dram_bytes=None)
    without = replace(counted, counters=(some, *counted.counters[1:]))
    (*_, whole) = counted_table(study_of(without)).rows
    assert (whole[4], whole[6]) == ("-", "-")


def test_without_counters_there_is_no_table(with_pipelines: Profile) -> None:
    assert counted_table(study_of(with_pipelines)).rows == []
