import pytest

from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.spans import spans
from dsprof.analysis.moe.study import Study, recorded_study
from dsprof.harness.records import Bound
from tests.analysis.moe.made import DEEPSEEK, moe_profile
from tests.conftest import Factory


@pytest.fixture
def study(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> Study:
    profile = moe_profile(make_profile, make_measurement, make_timing)
    return recorded_study(profile, DEEPSEEK, Routing.EXPECTED, (1,))


def test_every_way_has_a_span_in_each_regime(study: Study) -> None:
    found = [
        (span.bound, span.curve.name, [one.point.tokens for one in span.points])
        for span in spans(study)
    ]
    assert found == [
        (Bound.MEMORY, "whole_moe", [1, 128]),
        (Bound.MEMORY, "group_gemm", [1, 128]),
        (Bound.COMPUTE, "whole_moe", [8192]),
        (Bound.COMPUTE, "group_gemm", [8192]),
    ]


def test_best_and_worst_are_by_the_measured_roof(study: Study) -> None:
    first = spans(study)[0]
    assert (first.worst.point.tokens, first.best.point.tokens) == (1, 128)


def test_with_whole_pipelines_only_they_have_spans(whole_study: Study) -> None:
    assert {span.curve.name for span in spans(whole_study)} == {
        "library_moe",
        "our_moe",
    }
