from dsprof.harness.commands.timed_points import nothing_to_capture
from dsprof.harness.records import Status
from tests.conftest import Factory


def test_each_reason_for_having_nothing_to_capture_is_said_once(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = [
        make_measurement(
            batch_size=size, status=Status.OUT_OF_LIMIT, reason="too many."
        )
        for size in (1, 2)
    ]
    other = make_measurement(kernel="bmm_fp8", status=Status.FAILED, reason="crashed.")
    profile = make_profile(measurements=(*rows, other))
    said = nothing_to_capture(profile, [row.point for row in rows])
    assert said == "Nothing to capture. rmsnorm is out_of_limit: too many."
