from dataclasses import replace

import pytest

from dsprof.analysis.moe.launched import launched_calls
from dsprof.analysis.moe.recorded import recorded_curves
from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.study import recorded_study
from dsprof.analysis.report.moe_measured_tables import launch_tables
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache
from tests.analysis.moe.made import DEEPSEEK, FUSED, moe_profile
from tests.conftest import Factory

LABEL = "whole_moe/experts_(fused)/decode/B=1,S=1"


@pytest.fixture
def profile(
    make_profile: Factory,
    make_measurement: Factory,
    make_timing: Factory,
    make_counters: Factory,
) -> Profile:
    """Five launches of whole_moe at one token, one of them warm; one of another."""
    launches = (("sort", 10e3), ("gemm", 60e3), ("silu", 5e3), ("gemm", 45e3))
    counters = [
        make_counters(label=LABEL, function_name=name, duration_ns=time_ns)
        for name, time_ns in launches
    ]
    counters.append(replace(counters[0], cache=Cache.WARM))
    counters.append(replace(counters[0], label="gate/topk/decode/B=1,S=1"))
    counters.append(replace(counters[0], label="of nothing/that/was/timed"))
    profile = moe_profile(make_profile, make_measurement, make_timing)
    return replace(profile, counters=tuple(counters))


def test_launches_of_a_call_are_added_up_by_function(profile: Profile) -> None:
    (one,) = launched_calls(profile, Cache.COLD)
    assert (one.call, one.tokens, one.launches) == (FUSED, 1, 4)
    assert one.functions_us == {"sort": 10, "gemm": 105, "silu": 5}
    assert list(one.functions_us) == ["sort", "gemm", "silu"]
    assert one.total_us == 120


def test_one_launch_is_no_breakdown(profile: Profile) -> None:
    assert launched_calls(profile, Cache.WARM) == ()


def test_the_table_has_shares_and_both_sums(profile: Profile) -> None:
    assert len(recorded_curves(profile, DEEPSEEK).launched) == 1
    study = recorded_study(profile, DEEPSEEK, Routing.EXPECTED, (1,))
    (table,) = launch_tables(study).values()
    cells = {getattr(row[0], "text", row[0]): row[1] for row in table.rows}
    assert cells["gemm"] == "87.5"
    assert cells["Launches"] == "4"
    assert cells["All of them under ncu (us)"] == "120"
    assert cells["The call in a graph (us)"] == "131"
