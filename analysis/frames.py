"""Turns a profile's rows into a DataFrame, once: one row a point, units in names."""

import math
from typing import TYPE_CHECKING

from dsprof.analysis.roofline import place
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    Measurement,
)

if TYPE_CHECKING:
    import pandas as pd

_TIMING_COLUMNS = (
    *("us", "mad_us", "ci_low_us", "ci_high_us"),
    *("flops_per_s", "bytes_per_s", "peak_pct", "state", "position"),
)

COLUMNS = (
    *("kernel", "op", "phase", "batch_size", "seq_len", "kv_len", "tokens"),
    *("status", "reason", "source", "category", "provider", "dtype", "datapath"),
    *("m", "n", "k", "flops", "bytes", "intensity_flop_per_byte", "bound"),
    *("roof_flops_per_s", "roof_bytes_per_s", "ridge_flop_per_byte", "roof_us"),
    *(f"{cache}_{name}" for cache in Cache for name in _TIMING_COLUMNS),
)


def measurements_frame(profile: Profile) -> "pd.DataFrame":
    """One row a point in recorded order; NaN and "" where nothing was measured.

    Every column of COLUMNS is there, also in a profile without rows. ``kv_len`` is
    a nullable integer; text columns hold the values of the enums.
    """
    import pandas as pd

    l2_bytes = profile.device.l2_bytes
    rows = [_row(measurement, l2_bytes) for measurement in profile.measurements]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"kv_len": "Int64"})


def _row(measurement: Measurement, l2_bytes: int) -> dict[str, object]:
    point, roof = measurement.point, measurement.roof
    bound = measurement.bound
    row: dict[str, object] = {
        "kernel": point.kernel,
        "op": point.op,
        "phase": point.phase.value,
        "batch_size": point.batch_size,
        "seq_len": point.seq_len,
        "kv_len": point.kv_len,
        "tokens": point.tokens,
        "status": measurement.status.value,
        "reason": measurement.reason,
        "source": measurement.source,
        "category": measurement.category,
        "provider": measurement.provider,
        "dtype": measurement.dtype,
        "datapath": measurement.datapath.value,
        "m": measurement.m,
        "n": measurement.n,
        "k": measurement.k,
        "flops": measurement.total_flops,
        "bytes": measurement.total_bytes,
        "intensity_flop_per_byte": measurement.arithmetic_intensity,
        "bound": "" if bound is None else bound.value,
        "roof_flops_per_s": math.nan if roof is None else roof.flops_per_s,
        "roof_bytes_per_s": math.nan if roof is None else roof.bytes_per_s,
        "ridge_flop_per_byte": math.nan if roof is None else roof.ridge_point,
        "roof_us": measurement.roof_time_us,
    }
    for cache in Cache:
        row |= _timing(measurement, cache, l2_bytes)
    return row


def _timing(measurement: Measurement, cache: Cache, l2_bytes: int) -> dict[str, object]:
    timing = measurement.timing(cache)
    placement = place(measurement, cache, l2_bytes=l2_bytes)
    return {
        f"{cache}_us": timing.median_us if timing else math.nan,
        f"{cache}_mad_us": timing.mad_us if timing else math.nan,
        f"{cache}_ci_low_us": timing.ci_low_us if timing else math.nan,
        f"{cache}_ci_high_us": timing.ci_high_us if timing else math.nan,
        f"{cache}_flops_per_s": measurement.flops_per_s(cache),
        f"{cache}_bytes_per_s": measurement.bytes_per_s(cache),
        f"{cache}_peak_pct": measurement.peak_pct(cache) if timing else math.nan,
        f"{cache}_state": timing.state.value if timing else "",
        f"{cache}_position": placement.position.value if placement else "",
    }
