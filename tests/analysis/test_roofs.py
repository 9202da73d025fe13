from typing import Any

import pytest

from dsprof.analysis.roofs import RoofKind, rated, roofs
from dsprof.harness.ceiling import Ceiling, Duration, Pattern
from dsprof.harness.device import Datapath, DeviceSpec, device_spec
from dsprof.harness.profile import Profile
from dsprof.harness.records import Roof
from tests.conftest import Factory


def make_ceiling(pattern: Pattern, **changes: Any) -> Ceiling:  # noqa: ANN401 -- any field
    fields: dict[str, Any] = {
        "duration": Duration.BURST,
        "value": 1e12,
        "seconds": 0.05,
        "work": "4 GiB, programs of 4096, 4 warps",
        "sm_clock_mhz": 1980,
        "memory_clock_mhz": 3201,
        "power_w": 500.0,
        "throttle_reasons": (),
    }
    return Ceiling(pattern=pattern, **fields | changes)


@pytest.fixture
def profile(make_profile: Factory) -> Profile:
    """HBM read and BF16 in a burst, BF16 alone for long."""
    made: Profile = make_profile(
        ceilings=(
            make_ceiling(Pattern.HBM_READ, value=4.5e12),
            make_ceiling(Pattern.HBM_WRITE, value=4.8e12),
            make_ceiling(Pattern.BF16_DENSE, value=7e14),
            make_ceiling(Pattern.BF16_DENSE, value=6e14, duration=Duration.SUSTAINED),
        )
    )
    return made


def test_a_roof_is_named_after_its_kind_and_the_gpu(profile: Profile) -> None:
    assert roofs(profile, Datapath.BF16_TENSOR) == {
        RoofKind.SPEC: Roof(name="spec toy", flops_per_s=1e15, bytes_per_s=5e12),
        RoofKind.BURST: Roof(name="burst toy", flops_per_s=7e14, bytes_per_s=4.5e12),
    }


def test_a_measured_roof_needs_both_its_memory_and_its_compute_side(
    profile: Profile,
) -> None:
    # FP8 was not measured, nor was sustained reading.
    assert list(roofs(profile, Datapath.FP8_TENSOR)) == [RoofKind.SPEC]


def test_a_datapath_that_the_chip_lacks_has_no_roof(profile: Profile) -> None:
    assert roofs(profile, Datapath.FP4_TENSOR) == {}


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        (Pattern.HBM_READ, 4.8e12),
        (Pattern.HBM_TRIAD, 4.8e12),
        (Pattern.L2_READ, None),
        (Pattern.BF16_DENSE, 989.5e12),
        (Pattern.FP8_DENSE, 1979e12),
        (Pattern.FP32, 67e12),
    ],
)
def test_a_pattern_is_rated_by_the_data_sheet_or_not_at_all(
    pattern: Pattern, value: float | None
) -> None:
    h200: DeviceSpec = device_spec("h200-sxm")
    assert rated(h200, pattern) == value


def test_a_chip_without_fp8_is_not_rated_in_it() -> None:
    assert rated(device_spec("a100-sxm"), Pattern.FP8_DENSE) is None
