import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.sol_rule import SolClass, sol_class

EXPECTED = (
    Path(__file__).parents[2] / "../shared/samples/expected/ncu_report_values.json"
)
SM = "sm__throughput.avg.pct_of_peak_sustained_elapsed"
MEMORY = "gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed"
WAVES = "launch__waves_per_multiprocessor"

percents = st.floats(min_value=0, max_value=110)
waves = st.floats(min_value=0.001, max_value=1000)


@pytest.mark.parametrize(
    ("sm_pct", "memory_pct", "waves", "title"),
    [
        (59.9, 59.9, 1.0, SolClass.LATENCY),
        (59.9, 59.9, 0.99, SolClass.SMALL_GRID),
        (60.0, 50.1, 0.5, SolClass.BALANCED),  # 9.9 points apart
        (60.0, 50.0, 0.5, SolClass.HIGH_COMPUTE),
        (50.0, 60.0, 0.5, SolClass.HIGH_MEMORY),
        (79.9, 10.0, 9.0, SolClass.HIGH_COMPUTE),
        (80.0, 79.0, 9.0, SolClass.HIGH_THROUGHPUT),
        (3.0, 103.0, 9.0, SolClass.HIGH_THROUGHPUT),
    ],
)
def test_each_title_begins_at_its_threshold(
    sm_pct: float, memory_pct: float, waves: float, title: SolClass
) -> None:
    assert sol_class(sm_pct, memory_pct, waves) is title


def test_a_missing_counter_gives_no_title_where_it_would_decide() -> None:
    assert sol_class(None, 90.0, 2.0) is None
    assert sol_class(90.0, None, 2.0) is None
    assert sol_class(10.0, 10.0, None) is None
    assert sol_class(90.0, 10.0, None) is SolClass.HIGH_THROUGHPUT


@given(sm_pct=percents, memory_pct=percents, waves=waves)
def test_exchanging_the_two_sides_exchanges_only_the_side_of_the_title(
    sm_pct: float, memory_pct: float, waves: float
) -> None:
    other = {
        SolClass.HIGH_COMPUTE: SolClass.HIGH_MEMORY,
        SolClass.HIGH_MEMORY: SolClass.HIGH_COMPUTE,
    }
    title = sol_class(sm_pct, memory_pct, waves)
    assert title is not None
    assert sol_class(memory_pct, sm_pct, waves) is other.get(title, title)


def _recorded_titles() -> list[Any]:
    if not EXPECTED.exists():
        return []
    files = json.loads(EXPECTED.read_text())
    return [
        pytest.param(action, title, id=f"{name}-{action['function'][:30]}")
        for name, content in files.items()
        for action in content["actions"]
        for title in action.get("sol_rule", action.get("sol_rule_title", []))
    ]


@pytest.mark.skipif(not EXPECTED.exists(), reason="the sample reports are not here")
def test_the_sample_reports_hold_titles_to_compare_with() -> None:
    assert len(_recorded_titles()) == 11  # 4 + 4 + 3 launches


@pytest.mark.parametrize(("action", "title"), _recorded_titles())
def test_the_rule_gives_the_title_that_ncu_stored(
    action: dict[str, Any], title: str
) -> None:
    sm_pct, memory_pct, waves = (
        action["metrics"][name]["value"] for name in (SM, MEMORY, WAVES)
    )
    assert sol_class(sm_pct, memory_pct, waves) == title
