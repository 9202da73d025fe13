from dataclasses import replace

import pytest

from dsprof.analysis.moe.recorded import Recorded
from dsprof.analysis.moe.speed import (
    baseline,
    graph_findings,
    speed_findings,
    speed_ratios,
)
from dsprof.analysis.moe.study import Study
from dsprof.harness.records import Cache


@pytest.fixture
def recorded(whole_study: Study) -> Recorded:
    return whole_study.recorded


def test_a_ratio_is_the_librarys_time_over_ours(recorded: Recorded) -> None:
    library = baseline(recorded)
    assert library is not None
    assert library.name == "library_moe"
    assert speed_ratios(recorded) == {
        "our_moe": {1: 1.5, 128: 2600 / 2500, 8192: 6500 / 7000}
    }


def test_where_a_pipeline_is_slower_is_said(recorded: Recorded) -> None:
    (finding,) = speed_findings(recorded)
    assert finding.title == "our_moe beside library_moe"
    assert finding.detail == (
        "0.929 (T = 8,192) to 1.50 (T = 1) times as fast; slower at T = 8,192, "
        "1 of 3 sizes."
    )
    library, ours = recorded.pipelines
    without = replace(
        recorded, pipelines=(library, replace(ours, points=ours.points[:2]))
    )
    (finding,) = speed_findings(without)
    assert finding.detail.endswith("slower at none of 2 sizes.")


def test_sizes_of_one_pipeline_alone_have_no_ratio(recorded: Recorded) -> None:
    library, ours = recorded.pipelines
    first = replace(library, points=library.points[:1])
    assert speed_ratios(replace(recorded, pipelines=(first, ours))) == {
        "our_moe": {1: 1.5}
    }


def test_a_warm_time_is_not_compared_with_a_cold_one(recorded: Recorded) -> None:
    library, ours = recorded.pipelines
    warm = replace(ours, cache=Cache.WARM)
    assert speed_ratios(replace(recorded, pipelines=(library, warm))) == {}


def test_one_pipeline_is_compared_with_none(recorded: Recorded) -> None:
    for pipeline in recorded.pipelines:
        alone = replace(recorded, pipelines=(pipeline,))
        assert baseline(alone) is None
        assert speed_ratios(alone) == {}
        assert list(speed_findings(alone)) == []


def test_one_graph_is_compared_with_the_sum_of_the_same_kernels_calls(
    recorded: Recorded,
) -> None:
    assert list(graph_findings(recorded)) == []
    library, _ = recorded.pipelines
    renamed = replace(recorded, pipelines=(replace(library, name="whole_moe"),))
    (finding,) = graph_findings(renamed)
    # 2,600 of 2,500 us, 150 of 141 and 6,500 of 6,040.
    assert finding.detail == "1.04 (T = 128) to 1.08 (T = 8,192) of the sum's time."
