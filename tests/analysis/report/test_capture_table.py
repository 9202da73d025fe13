import json
from io import StringIO

from rich.console import Console

from dsprof.analysis.report.capture_table import capture_json, capture_table
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache
from tests.conftest import Factory


def captured(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory, count: int
) -> Profile:
    rows = [make_measurement(batch_size=2 + index) for index in range(count)]
    counters = [
        make_counters(label=row.point.label, cache=cache)
        for cache in Cache
        for row in rows
    ]
    profile: Profile = make_profile(measurements=tuple(rows), counters=tuple(counters))
    return profile


def printed(profile: Profile, width: int) -> str:
    labels = {row.point.label for row in profile.measurements}
    written = StringIO()
    Console(width=width, file=written).print(capture_table(profile, labels, width))
    return written.getvalue()


def test_a_row_names_the_call_its_size_and_what_was_counted(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    text = printed(captured(make_profile, make_measurement, make_counters, 1), 180)
    assert "rmsnorm input_layernorm  decode B=2" in text
    assert "DRAM / compulsory" in text
    assert text.count("warm") == text.count("cold") == 1


def test_a_narrow_terminal_gets_fewer_columns_and_whole_cells(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    text = printed(captured(make_profile, make_measurement, make_counters, 1), 90)
    assert "rmsnorm input_layernorm  decode B=2" in text
    assert "DRAM / compulsory" not in text
    assert "…" not in text


def test_many_points_are_counted_by_class_instead(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    text = printed(captured(make_profile, make_measurement, make_counters, 40), 180)
    assert "points, cold L2" in text
    assert " 40" in text
    assert "input_layernorm" not in text


def test_json_has_every_merged_column_and_null_where_nothing_was_counted(
    make_profile: Factory, make_measurement: Factory, make_counters: Factory
) -> None:
    profile = captured(make_profile, make_measurement, make_counters, 1)
    labels = {row.point.label for row in profile.measurements}
    rows = json.loads(json.dumps(capture_json(profile, labels)))
    assert len(rows) == 2
    assert rows[0]["kv_len"] is None
    assert {"class", "traffic_amplification", "sm_pct"} <= rows[0].keys()
