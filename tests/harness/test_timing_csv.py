import csv
import io
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsprof.harness import timing_csv
from dsprof.harness.errors import ProfileError
from dsprof.harness.records import Bound, Status
from tests.conftest import Factory

SEED_HEADER = (
    "kernel,op,phase,B,S,M,N,K,"
    "latency_ms,gflops,peak_pct,bandwidth_gbs,arith_intensity,bound"
)
text = st.text(st.characters(codec="utf-8"))


def cells(line: str) -> dict[str, str]:
    (row,) = csv.DictReader(io.StringIO(timing_csv.header() + line, newline=""))
    return row


def test_the_first_14_columns_are_the_seed_formats() -> None:
    assert timing_csv.header().startswith(SEED_HEADER + ",cold_latency_ms,")


def test_the_seed_columns_are_in_the_seed_units(
    make_measurement: Factory, make_timing: Factory
) -> None:
    # rmsnorm, 4 rows of 7168 in 10 us: 4 * (4 * 7168 + 3) = 114,700 FLOP and
    # 2 * 7168 * (2 * 4 + 1) = 129,024 bytes; the HBM roof is 5e12 byte/s.
    row = cells(timing_csv.to_line(make_measurement(warm=make_timing(median_us=10.0))))
    assert row["latency_ms"] == "0.01"
    assert row["gflops"] == "11.47"
    assert row["bandwidth_gbs"] == "12.9024"
    assert row["peak_pct"] == "0.258048"
    assert row["arith_intensity"] == "0.888982"
    assert row["bound"] == Bound.MEMORY
    assert [row[name] for name in "BSMNK"] == ["4", "1", "4", "7168", "0"]


def test_no_seed_column_is_empty_for_ok(make_measurement: Factory) -> None:
    row = cells(timing_csv.to_line(make_measurement()))
    assert [name for name in timing_csv.SEED_COLUMNS if not row[name]] == []


def test_a_kernel_without_flop_still_fills_every_seed_column(
    make_measurement: Factory,
) -> None:
    row = cells(timing_csv.to_line(make_measurement(flops={})))
    assert (row["gflops"], row["arith_intensity"], row["bound"]) == ("0", "0", "memory")


def test_an_untimed_row_has_no_time(make_measurement: Factory) -> None:
    row = cells(timing_csv.to_line(make_measurement(status=Status.OUT_OF_LIMIT)))
    assert row["latency_ms"] == row["warm_median_us"] == row["peak_pct"] == ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    reason=text,
    op=text,
    error=st.none() | st.floats(allow_nan=False),
    experts=st.none() | st.integers(0, 256),
)
def test_a_row_survives_the_way_through_a_line(
    make_measurement: Factory,
    reason: str,
    op: str,
    error: float | None,
    experts: int | None,
) -> None:
    written = make_measurement(
        op=" ".join(op.split()), reason=reason, error=error, distinct_experts=experts
    )
    line = timing_csv.to_line(written)
    assert line.count("\n") == 1
    (read,), cut = timing_csv.parse(timing_csv.header() + line, "timing.csv")
    assert read == replace(written, reason=" ".join(reason.split()))
    assert cut == ""


def test_a_file_from_before_distinct_experts_still_loads(
    make_measurement: Factory,
) -> None:
    routed = make_measurement(distinct_experts=160)
    row = cells(timing_csv.to_line(routed))
    assert row.pop("distinct_experts") == "160"
    lines = io.StringIO(newline="")
    writer = csv.DictWriter(lines, row, lineterminator="\n")
    writer.writeheader()
    writer.writerow(row)
    (read,), _ = timing_csv.parse(lines.getvalue(), "timing.csv")
    assert read == replace(routed, distinct_experts=None)


def test_a_line_that_was_cut_is_no_row(make_measurement: Factory) -> None:
    line = timing_csv.to_line(make_measurement())
    for end in range(1, len(line)):
        whole = timing_csv.header() + line
        rows, cut = timing_csv.parse(whole + line[:end].rstrip("\n"), "timing.csv")
        assert rows == [make_measurement()]
        assert cut == line[:end].rstrip("\n")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda line: line.replace("decode", "noon", 1), "line 3: 'noon'"),
        (lambda line: line.replace(",4,1,", ",four,1,", 1), "line 3: .*'four'"),
        (lambda _line: "rmsnorm,1\n", "line 3: "),
        (lambda line: line.replace(",ok,", ",fine,", 1), "line 3: 'fine'"),
    ],
)
def test_a_broken_line_is_named_and_refused(
    make_measurement: Factory, damage: object, problem: str
) -> None:
    line = timing_csv.to_line(make_measurement())
    content = timing_csv.header() + line + damage(line) + line  # type: ignore[operator]
    with pytest.raises(ProfileError, match=f"timing.csv, {problem}"):
        timing_csv.parse(content, "timing.csv")


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(ProfileError, match="line 1: no column 'kernel'"):
        timing_csv.parse("a,b\n1,2\n", "timing.csv")
