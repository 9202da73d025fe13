import pytest

from dsprof.analysis.findings import Finding, find
from dsprof.harness.records import Status, TimingState
from tests.conftest import Factory


def titled(findings: list[Finding], start: str) -> Finding:
    return next(one for one in findings if one.title.startswith(start))


def test_a_profile_without_rows_has_that_as_its_only_finding(
    make_profile: Factory,
) -> None:
    (finding,) = find(make_profile(measurements=()))
    assert finding.detail == "this profile has none"


def test_points_that_went_wrong_come_first_with_their_labels(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = (
        make_measurement(),
        make_measurement(batch_size=1, status=Status.INCORRECT),
        make_measurement(batch_size=2, status=Status.OUT_OF_LIMIT),
    )
    first = find(make_profile(measurements=rows))[0]
    assert first.detail == "1 incorrect"
    assert first.rows == ("rmsnorm/input_layernorm/decode/B=1,S=1",)


@pytest.mark.parametrize("state", [TimingState.NOISY, TimingState.THROTTLED])
def test_a_timing_that_cannot_be_trusted_is_named(
    make_profile: Factory,
    make_measurement: Factory,
    make_timing: Factory,
    state: TimingState,
) -> None:
    rows = (make_measurement(cold=make_timing(state=state)),)
    finding = titled(find(make_profile(measurements=rows)), f"Timings {state}")
    assert finding.row_count == 1


def test_stable_timings_are_said_to_be_so(make_profile: Factory) -> None:
    finding = titled(find(make_profile()), "Timings throttled or noisy")
    assert finding.detail == "none of 1 timed point"


def test_the_extremes_are_the_rows_nearest_and_farthest_from_the_roof(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> None:
    rows = tuple(
        make_measurement(batch_size=batch, cold=make_timing(median_us=cold_us))
        for batch, cold_us in ((1, 20.0), (2, 5.0), (8, 6.0))
    )
    findings = find(make_profile(measurements=rows))
    near = titled(findings, "Nearest to its roof (cold)")
    far = titled(findings, "Farthest from its roof (cold)")
    most = titled(findings, "Most time above its roof (cold)")
    assert near.rows == ("rmsnorm/input_layernorm/decode/B=8,S=1",)
    assert far.rows == most.rows == ("rmsnorm/input_layernorm/decode/B=1,S=1",)


def test_without_cold_times_the_extremes_are_warm(
    make_profile: Factory, make_measurement: Factory
) -> None:
    findings = find(make_profile(measurements=(make_measurement(cold=None),)))
    assert titled(findings, "Nearest to its roof (warm)").row_count == 1
    assert not any("cold over warm" in one.title for one in findings)


def test_the_largest_cold_over_warm_ratio_is_found(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> None:
    rows = (
        make_measurement(batch_size=1),
        make_measurement(batch_size=2, cold=make_timing(median_us=30.0)),
    )
    finding = titled(find(make_profile(measurements=rows)), "Largest cold over warm")
    assert finding.detail == "3.00 times"
    assert finding.rows == ("rmsnorm/input_layernorm/decode/B=2,S=1",)


def test_short_timings_are_counted_by_kernel(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> None:
    rows = (
        make_measurement(warm=make_timing(median_us=4.0)),
        make_measurement(kernel="gate", warm=make_timing(median_us=9.0)),
        make_measurement(kernel="slow"),
    )
    findings = find(make_profile(measurements=rows))
    assert titled(findings, "Latency flag").detail == "1 point of 3: rmsnorm 1"
    near = titled(findings, "Near the timer's resolution")
    assert near.detail == "2 points of 3: rmsnorm 1, gate 1"


def test_a_long_list_of_rows_is_cut_and_its_length_kept(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = tuple(
        make_measurement(batch_size=batch, status=Status.FAILED)
        for batch in range(1, 10)
    )
    (finding,) = find(make_profile(measurements=rows))
    assert len(finding.rows) == 4
    assert finding.row_count == 9
