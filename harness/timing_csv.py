"""One Measurement a row: the columns of timing.csv, both ways.

The first 14 columns are the seed format's, in its order and units, from the warm
timing: ``gflops`` is 1e9 FLOP/s, ``bandwidth_gbs`` 1e9 byte/s of compulsory traffic,
``peak_pct`` the percentage of the roof that bounds the point, ``latency_ms`` the
median. The cold ones follow, then everything the measurement holds.

Which columns may be empty:
  status ok            reason, kv_len (no KV axis), cold_* (only warm was asked for),
                       distinct_experts (nothing is routed),
                       *_throttle_reasons (none seen), *_calls_per_sample (Triton's
                       timer does not say); none of the first 14
  out_of_limit,        every column that a timing or a check fills: the rates,
  unsupported,         warm_*, cold_*, error; provider where the kernel was not bound
  unavailable, failed,
  timeout
  incorrect            the same, but error is filled (NaN where the output had NaN)
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import fields

from dsprof.harness.device import Datapath
from dsprof.harness.errors import ProfileError
from dsprof.harness.records import (
    Cache,
    Measurement,
    Phase,
    Point,
    Roof,
    Status,
    Timing,
    TimingState,
)

SEED_COLUMNS = (
    "kernel", "op", "phase", "B", "S", "M", "N", "K",
    "latency_ms", "gflops", "peak_pct", "bandwidth_gbs", "arith_intensity", "bound",
)  # fmt: skip
COLD_COLUMNS = (
    "cold_latency_ms", "cold_gflops", "cold_peak_pct", "cold_bandwidth_gbs",
)  # fmt: skip
RECORD_COLUMNS = (
    "status", "reason", "kv_len", "dtype", "source", "category", "provider", "timer",
    "error", "error_limit",
    *(f"{path}_flops" for path in Datapath),
    "bytes_read", "bytes_written",
    "roof", "roof_flops_per_s", "roof_bytes_per_s", "provider_choice",
    "distinct_experts",
)  # fmt: skip
TIMING_FIELDS = tuple(field.name for field in fields(Timing))
COLUMNS = (
    *SEED_COLUMNS,
    *COLD_COLUMNS,
    *RECORD_COLUMNS,
    *(f"{cache}_{name}" for cache in Cache for name in TIMING_FIELDS),
    "command",
)
# Columns that came later; a file without them still loads.
LATER_COLUMNS = frozenset({"provider_choice", "distinct_experts"})
LIST_SEPARATOR = "|"  # between throttle reasons


def header() -> str:
    return _line(COLUMNS)


def to_line(measurement: Measurement) -> str:
    """Return the row as one physical line, whatever the reason's text holds."""
    row = to_row(measurement)
    return _line(row[column] for column in COLUMNS)


def to_row(measurement: Measurement) -> dict[str, str]:
    """Every column of COLUMNS as text; empty where there is no value."""
    point = measurement.point
    row = dict.fromkeys(COLUMNS, "")
    row |= {
        "kernel": point.kernel,
        "op": point.op,
        "phase": point.phase,
        "B": str(point.batch_size),
        "S": str(point.seq_len),
        "M": str(measurement.m),
        "N": str(measurement.n),
        "K": str(measurement.k),
        "arith_intensity": _general(measurement.arithmetic_intensity),
        "bound": measurement.bound or "",
        "status": measurement.status,
        "reason": " ".join(measurement.reason.split()),
        "kv_len": _whole(point.kv_len),
        "dtype": measurement.dtype,
        "source": measurement.source,
        "category": measurement.category,
        "provider": measurement.provider,
        "provider_choice": point.provider,
        "timer": measurement.timer,
        "error": _exact(measurement.error),
        "error_limit": _exact(measurement.error_limit),
        "bytes_read": str(measurement.bytes_read),
        "bytes_written": str(measurement.bytes_written),
        "distinct_experts": _whole(measurement.distinct_experts),
        "command": measurement.command,
    }
    row |= {
        f"{path}_flops": str(measurement.flops.get(path, 0) or "") for path in Datapath
    }
    if measurement.roof is not None:
        row["roof"] = measurement.roof.name
        row["roof_flops_per_s"] = _exact(measurement.roof.flops_per_s)
        row["roof_bytes_per_s"] = _exact(measurement.roof.bytes_per_s)
    if measurement.warm is not None:
        row |= _rates(measurement, Cache.WARM, prefix="")
        row |= _timing_cells(measurement.warm, Cache.WARM)
    if measurement.cold is not None:
        row |= _rates(measurement, Cache.COLD, prefix="cold_")
        row |= _timing_cells(measurement.cold, Cache.COLD)
    return row


def from_row(row: Mapping[str, str]) -> Measurement:
    """Build the measurement of a row; ValueError or KeyError where it has none."""
    experts = row.get("distinct_experts", "")
    roof = None
    if row["roof"]:
        roof = Roof(
            name=row["roof"],
            flops_per_s=float(row["roof_flops_per_s"]),
            bytes_per_s=float(row["roof_bytes_per_s"]),
        )
    return Measurement(
        point=Point(
            kernel=row["kernel"],
            op=row["op"],
            phase=Phase(row["phase"]),
            batch_size=int(row["B"]),
            seq_len=int(row["S"]),
            kv_len=int(row["kv_len"]) if row["kv_len"] else None,
            provider=row.get("provider_choice", ""),
        ),
        status=Status(row["status"]),
        reason=row["reason"],
        source=row["source"],
        category=row["category"],
        provider=row["provider"],
        dtype=row["dtype"],
        m=int(row["M"]),
        n=int(row["N"]),
        k=int(row["K"]),
        flops={
            path: int(row[f"{path}_flops"]) for path in Datapath if row[f"{path}_flops"]
        },
        bytes_read=int(row["bytes_read"]),
        bytes_written=int(row["bytes_written"]),
        distinct_experts=int(experts) if experts else None,
        roof=roof,
        error=float(row["error"]) if row["error"] else None,
        error_limit=float(row["error_limit"]) if row["error_limit"] else None,
        timer=row["timer"],
        warm=_timing(row, Cache.WARM),
        cold=_timing(row, Cache.COLD),
        command=row["command"],
    )


def parse(text: str, name: str) -> tuple[list[Measurement], str]:
    """Rows of a timing.csv, and the unfinished last line that a cut left, if any.

    A run that was killed can leave a line without its end; that line is no row.
    Anything else that does not parse raises ProfileError with file and line.
    """
    whole, end, cut = text.rpartition("\n")
    reader = csv.reader(io.StringIO(whole + end, newline=""), strict=True)
    measurements: list[Measurement] = []
    try:
        columns = next(reader, [])
        later = LATER_COLUMNS - set(columns)
        if columns != [column for column in COLUMNS if column not in later]:
            raise ProfileError(_header_problem(columns, name))
        measurements += (
            from_row(dict(zip(columns, cells, strict=True))) for cells in reader
        )
    except (ValueError, csv.Error) as error:
        raise ProfileError(
            f"{name}, line {reader.line_num}: {error}. The file is left as it is; "
            "repair or remove that line."
        ) from error
    return measurements, cut


def _header_problem(columns: list[str], name: str) -> str:
    required = [column for column in COLUMNS if column not in LATER_COLUMNS]
    missing = [column for column in required if column not in columns]
    problem = f"no column {missing[0]!r}" if missing else "columns out of order"
    return f"{name}, line 1: {problem}. It is not a timing.csv that dsprof wrote."


def _rates(measurement: Measurement, cache: Cache, prefix: str) -> dict[str, str]:
    timing = measurement.timing(cache)
    median_us = timing.median_us if timing else 0.0
    return {
        f"{prefix}latency_ms": _general(median_us / 1000),
        f"{prefix}gflops": _general(measurement.flops_per_s(cache) / 1e9),
        f"{prefix}peak_pct": _general(measurement.peak_pct(cache)),
        f"{prefix}bandwidth_gbs": _general(measurement.bytes_per_s(cache) / 1e9),
    }


def _timing_cells(timing: Timing, cache: Cache) -> dict[str, str]:
    cells: dict[str, str] = {}
    for name in TIMING_FIELDS:
        value = getattr(timing, name)
        if isinstance(value, tuple):
            cell = LIST_SEPARATOR.join(value)
        elif isinstance(value, float):
            cell = _exact(value)
        else:
            cell = _whole(value)
        cells[f"{cache}_{name}"] = cell
    return cells


def _timing(row: Mapping[str, str], cache: Cache) -> Timing | None:
    cells = {name: row[f"{cache}_{name}"] for name in TIMING_FIELDS}
    if not cells["median_us"]:
        return None
    calls, reasons = cells["calls_per_sample"], cells["throttle_reasons"]
    return Timing(
        median_us=float(cells["median_us"]),
        mad_us=float(cells["mad_us"]),
        p05_us=float(cells["p05_us"]),
        p95_us=float(cells["p95_us"]),
        ci_low_us=float(cells["ci_low_us"]),
        ci_high_us=float(cells["ci_high_us"]),
        samples=int(cells["samples"]),
        calls_per_sample=int(calls) if calls else None,
        overhead_us=float(cells["overhead_us"]),
        sm_clock_mhz=int(cells["sm_clock_mhz"]),
        memory_clock_mhz=int(cells["memory_clock_mhz"]),
        power_w=float(cells["power_w"]),
        throttle_reasons=tuple(reasons.split(LIST_SEPARATOR)) if reasons else (),
        state=TimingState(cells["state"]),
    )


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()


def _general(value: float) -> str:
    """Six significant digits, for the columns that are computed from others."""
    return "" if value != value else f"{value:.6g}"  # noqa: PLR0124 -- NaN


def _whole(value: int | None) -> str:
    return "" if value is None else str(value)


def _exact(value: float | None) -> str:
    return "" if value is None else repr(value)
