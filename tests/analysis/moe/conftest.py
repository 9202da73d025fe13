"""Profiles of the routed experts and a study of one with whole pipelines."""

import pytest

from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.study import Study, recorded_study
from dsprof.harness.profile import Profile
from tests.analysis.moe.made import DEEPSEEK, pipeline_profile
from tests.conftest import Factory


@pytest.fixture
def with_pipelines(
    make_profile: Factory,
    make_measurement: Factory,
    make_timing: Factory,
    make_launch: Factory,
) -> Profile:
    return pipeline_profile(make_profile, make_measurement, make_timing, make_launch)


@pytest.fixture
def whole_study(with_pipelines: Profile) -> Study:
    return recorded_study(with_pipelines, DEEPSEEK, Routing.EXPECTED, (1, 100))
