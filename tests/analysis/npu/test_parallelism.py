import pytest

from dsprof.analysis.npu.layers import NpuData, npu_data
from dsprof.analysis.npu.parallelism import (
    filled_sms,
    parallelism,
    share_under_one_wave,
    tail_pct,
)
from tests.analysis.npu.planted import counted_rows
from tests.conftest import Factory


def test_grids_are_held_against_the_multiprocessors(
    make_planted: Factory, make_counters: Factory
) -> None:
    planted = make_planted()
    rows = counted_rows(make_counters, planted, waves_per_sm=0.5)
    section = parallelism(npu_data(make_planted(counters=rows)))
    # Half a wave fills 50 of the 100 SMs.
    assert section.recommendations[0].number.startswith("50.0 of 100 SMs")
    assert "2 calls of 2 with 100 % of the counted time" in section.findings[0].detail


def test_waves_and_tails_are_weighted_by_time() -> None:
    import pandas as pd

    rows = pd.DataFrame({"waves_per_sm": [0.25, 1.5, 2.0], "weight_s": [1.0, 2.0, 1.0]})
    assert share_under_one_wave(rows) == 25
    assert share_under_one_wave(rows, 2.0) == 75
    # A grid of 1.5 waves takes 2: a quarter of its half of the time.
    assert tail_pct(rows) == pytest.approx(12.5)
    # Half of the time is in grids of at least 1.5 waves.
    assert filled_sms(rows, 100) == 150


def test_parallelism_without_counters_says_so(streams: NpuData) -> None:
    section = parallelism(streams)
    assert not section.findings
    assert not section.recommendations
    assert "no counters" in section.outside[0]
