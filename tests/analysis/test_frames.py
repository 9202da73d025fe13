import math

import pytest

from dsprof.analysis.frames import COLUMNS, measurements_frame
from dsprof.harness.records import Cache, Status
from tests.conftest import Factory


def test_an_empty_profile_gives_every_column_and_no_row(make_profile: Factory) -> None:
    frame = measurements_frame(make_profile(measurements=()))
    assert tuple(frame.columns) == COLUMNS
    assert frame.empty


def test_a_row_says_what_its_measurement_says(
    make_profile: Factory, make_measurement: Factory
) -> None:
    measurement = make_measurement()
    (row,) = measurements_frame(make_profile(measurements=(measurement,))).to_dict(
        "records"
    )
    assert set(row) == set(COLUMNS)
    assert row["warm_us"] == 10.0
    assert row["cold_us"] == 12.0
    assert row["tokens"] == 4
    assert row["bytes"] == measurement.total_bytes
    assert row["cold_peak_pct"] == pytest.approx(measurement.peak_pct(Cache.COLD))
    assert row["roof_us"] == pytest.approx(measurement.roof_time_us)
    assert row["bound"] == "memory"
    assert row["warm_position"] == "under the roof"


def test_a_point_without_a_time_has_nan_for_it_and_keeps_its_reason(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = (
        make_measurement(status=Status.OUT_OF_LIMIT, reason="at most 16 tokens"),
        make_measurement(status=Status.FAILED, roof=None),
    )
    frame = measurements_frame(make_profile(measurements=rows))
    limited, failed = frame.to_dict("records")
    assert limited["reason"] == "at most 16 tokens"
    assert limited["warm_state"] == limited["warm_position"] == ""
    for name in ("warm_us", "cold_us", "warm_peak_pct", "cold_flops_per_s"):
        assert math.isnan(limited[name])
        assert math.isnan(failed[name])
    assert math.isnan(failed["roof_us"])


def test_kv_len_stays_a_whole_number_beside_points_without_one(
    make_profile: Factory, make_measurement: Factory
) -> None:
    rows = (make_measurement(kv_len=4096), make_measurement())
    frame = measurements_frame(make_profile(measurements=rows))
    assert frame["kv_len"][0] == 4096
    assert frame["kv_len"].isna().tolist() == [False, True]
