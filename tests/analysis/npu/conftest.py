"""Planted profiles by name."""

from typing import Any

import pytest

from dsprof.analysis.npu.layers import NpuData, npu_data
from dsprof.harness.profile import Profile
from tests.analysis.npu.planted import Kind, planted_profile
from tests.conftest import Factory


@pytest.fixture
def make_planted(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> Factory:
    """Build the layer of one matrix product and one norm."""

    def make(**changes: Any) -> Profile:  # noqa: ANN401 -- kind, or of the profile
        return planted_profile(make_profile, make_measurement, make_timing, **changes)

    return make


@pytest.fixture
def streams(make_planted: Factory) -> NpuData:
    """A layer that HBM limits."""
    return npu_data(make_planted(kind=Kind.MEMORY))


@pytest.fixture
def computes(make_planted: Factory) -> NpuData:
    """A layer that the tensor cores limit."""
    return npu_data(make_planted(kind=Kind.COMPUTE))
