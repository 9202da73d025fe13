"""The frame of counters, times, cost and class that tables and pictures read."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dsprof.analysis.amplification import explain_amplification
from dsprof.analysis.classify import (
    DEFAULT_THRESHOLDS,
    Thresholds,
    Verdict,
    classify,
    classify_analytic,
)
from dsprof.analysis.inflation import explain_inflation
from dsprof.analysis.merge import Level, MergedPoint, counter_gaps, merge_profile
from dsprof.harness.counters import Counters
from dsprof.harness.device import Datapath, DeviceSpec
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Measurement, Status

if TYPE_CHECKING:
    import pandas as pd

_COUNTER_COLUMNS = (
    *("sm_pct", "memory_pct", "dram_pct", "l1_pct", "l2_pct", "tensor_pipe_pct"),
    *("memory_busy_pct", "max_bandwidth_pct", "l1_hit_pct", "l2_hit_pct"),
    *("achieved_occupancy_pct", "theoretical_occupancy_pct"),
    *("registers_per_thread", "waves_per_sm", "passes"),
)
NOT_CAPTURED = "the point was not captured"
_INTEGERS = ("batch_size", "seq_len", "kv_len", "tokens")

COLUMNS = (
    *("name", "kernel", "op", "phase", "batch_size", "seq_len", "kv_len", "tokens"),
    *("category", "source", "dtype", "datapath", "cache", "launches", "kernel_names"),
    *("duration_us", "graph_us", "ncu_over_graph"),
    *("flops", "bytes", "executed_flops", "flop_inflation"),
    *("dram_bytes", "dram_read_bytes", "dram_write_bytes"),
    *("traffic_amplification", "read_amplification", "write_shortfall_bytes"),
    *("l2_bytes", "l1_bytes"),
    *("intensity_analytic", "intensity_dram", "intensity_l2", "intensity_l1"),
    *("flops_per_s_analytic", "flops_per_s_measured"),
    *("ridge_flop_per_byte", "peak_flops_per_s"),
    *("sm_pct", "memory_pct", "dram_pct", "l1_pct", "l2_pct", "tensor_pipe_pct"),
    *("memory_busy_pct", "max_bandwidth_pct", "l1_hit_pct", "l2_hit_pct"),
    *("memory_gb_per_s", "achieved_occupancy_pct", "theoretical_occupancy_pct"),
    *("occupancy_limiter", "registers_per_thread", "shared_memory_bytes"),
    *("waves_per_sm", "sm_clock_mhz", "dram_clock_mhz", "passes"),
    *("top_stall", "top_stall_share_pct"),
    *("class", "limiter", "margin", "conflict", "latency", "confidence", "basis"),
    *("nvidia_class", "evidence", "inflation_reason", "amplification_reason"),
    "missing",
)
_TEXTS = frozenset(
    {
        *("name", "kernel", "op", "phase", "category", "source", "dtype", "datapath"),
        *("cache", "kernel_names", "occupancy_limiter", "top_stall", "class"),
        *("limiter", "confidence", "basis", "nvidia_class", "evidence"),
        *("inflation_reason", "amplification_reason", "missing"),
    }
)
_FLAGS = ("conflict", "latency")
_NUMBERS = tuple(
    name for name in COLUMNS if name not in _TEXTS | {*_INTEGERS, *_FLAGS, "launches"}
)


def merged_frame(
    profile: Profile,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    *,
    analytic: bool = False,
) -> "pd.DataFrame":
    """One row a merged point in recorded order; NaN and "" where there is nothing.

    ``analytic`` adds the timed points that have no counters, one row a cache state,
    with the class that their analytic intensity gives and 0 launches. Every column of
    COLUMNS is there, also in a profile without rows. Counter columns are those of
    MergedPoint.counters; ``l1_bytes`` is what intensity_l1 is over. Sizes of the
    workload are nullable integers; text columns hold the values of the enums.
    """
    import pandas as pd

    device, points = profile.device, merge_profile(profile)
    rows = [_row(point, device, thresholds) for point in points]
    if analytic:
        counted = {(point.name, point.cache) for point in points}
        gaps = {gap.label: gap.reason for gap in counter_gaps(profile)}
        rows += [
            _analytic_row(row, cache, device, thresholds)
            | {"missing": f"counters: {gaps.get(row.point.label, NOT_CAPTURED)}"}
            for row in profile.measurements
            for cache in Cache
            if row.status is Status.OK
            and row.timing(cache)
            and (row.point.label, cache) not in counted
        ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype(
        {
            **dict.fromkeys(sorted(_TEXTS), "str"),
            **dict.fromkeys(_INTEGERS, "Int64"),
            **dict.fromkeys(_NUMBERS, "float64"),
            **dict.fromkeys(_FLAGS, "bool"),
            "launches": "int64",
        }
    )


def _row(
    point: MergedPoint, device: DeviceSpec, thresholds: Thresholds
) -> dict[str, object]:
    row, counters = point.measurement, point.counters
    graph_us = point.graph_us
    time_us = graph_us if graph_us is not None else point.duration_us
    return {
        "name": point.name,
        "kernel": point.kernel,
        **_identity(row),
        "datapath": point.datapath.value,
        "cache": point.cache.value if point.cache else "",
        "launches": len(point.launches),
        "kernel_names": _names(point),
        **_work(point),
        **_rates(point, time_us),
        **_roof(device, point.datapath),
        **{name: getattr(counters, name) for name in _COUNTER_COLUMNS},
        **_launch(counters),
        **_verdict(classify(point, device, thresholds)),
        "inflation_reason": explain_inflation(point),
        "amplification_reason": explain_amplification(point, device.l2_bytes),
        "missing": _text(point.missing),
    }


def _analytic_row(
    row: Measurement, cache: Cache, device: DeviceSpec, thresholds: Thresholds
) -> dict[str, object]:
    timing = row.timing(cache)
    return {
        **dict.fromkeys(_TEXTS, ""),
        "name": row.point.label,
        "kernel": row.point.kernel,
        **_identity(row),
        "datapath": row.datapath.value,
        "cache": cache.value,
        "launches": 0,
        "graph_us": timing.median_us if timing else None,
        **_cost(row),
        "flops_per_s_analytic": row.flops_per_s(cache),
        **_roof(device, row.datapath),
        **_verdict(classify_analytic(row, thresholds, cache=cache)),
    }


def _identity(row: Measurement | None) -> dict[str, object]:
    """What the point is; nothing of it is known of an imported launch."""
    if row is None:
        return dict.fromkeys(("op", "phase", "category", "source", "dtype"), "")
    point = row.point
    return {
        "op": point.op,
        "phase": point.phase.value,
        "batch_size": point.batch_size,
        "seq_len": point.seq_len,
        "kv_len": point.kv_len,
        "tokens": point.tokens,
        "category": row.category,
        "source": row.source,
        "dtype": row.dtype,
    }


def _names(point: MergedPoint) -> str:
    return " + ".join(dict.fromkeys(launch.kernel_name for launch in point.launches))


def _cost(row: Measurement | None) -> dict[str, object]:
    if row is None or not row.total_bytes:
        return {}
    return {
        "flops": row.total_flops,
        "bytes": row.total_bytes,
        "intensity_analytic": row.arithmetic_intensity,
    }


def _work(point: MergedPoint) -> dict[str, object]:
    """Bytes, FLOP and what they make with the analytic ones."""
    return {
        **_cost(point.measurement),
        "executed_flops": point.path_flops,
        "flop_inflation": point.flop_inflation,
        "dram_bytes": point.dram_bytes,
        "dram_read_bytes": point.dram_read_bytes,
        "dram_write_bytes": point.dram_write_bytes,
        "traffic_amplification": point.traffic_amplification,
        "read_amplification": point.read_amplification,
        "write_shortfall_bytes": point.write_shortfall_bytes,
        "l2_bytes": point.l2_bytes,
        "l1_bytes": point.level_bytes(Level.L1),
        **{f"intensity_{level}": point.intensity(level) for level in Level},
    }


def _rates(point: MergedPoint, time_us: float | None) -> dict[str, object]:
    row, graph_us, executed = point.measurement, point.graph_us, point.path_flops
    bytes_per_s = point.memory_bytes_per_s
    analytic = row.total_flops / graph_us * 1e6 if row and graph_us else None
    measured = executed / time_us * 1e6 if executed is not None and time_us else None
    return {
        "duration_us": point.duration_us,
        "graph_us": graph_us,
        "ncu_over_graph": point.ncu_over_graph,
        "flops_per_s_analytic": analytic,
        "flops_per_s_measured": measured,
        "memory_gb_per_s": None if bytes_per_s is None else bytes_per_s / 1e9,
    }


def _roof(device: DeviceSpec, datapath: Datapath) -> dict[str, object]:
    peak, bytes_per_s = device.flops_per_s.get(datapath), device.hbm_bytes_per_s
    return {
        "ridge_flop_per_byte": peak / bytes_per_s if peak and bytes_per_s else None,
        "peak_flops_per_s": peak,
    }


def _launch(counters: Counters) -> dict[str, object]:
    stall, share_pct = _top_stall(counters.stalls)
    parts = (counters.shared_memory_static_bytes, counters.shared_memory_dynamic_bytes)
    known = [part for part in parts if part is not None]
    return {
        "occupancy_limiter": counters.occupancy_limiter,
        "shared_memory_bytes": sum(known) if len(known) == len(parts) else None,
        "sm_clock_mhz": _mega(counters.sm_clock_hz),
        "dram_clock_mhz": _mega(counters.dram_clock_hz),
        "top_stall": stall,
        "top_stall_share_pct": share_pct,
    }


def _mega(value: float | None) -> float | None:
    return None if value is None else value / 1e6


def _top_stall(stalls: Mapping[str, float]) -> tuple[str, float]:
    """The reason that warps wait for longest, and its share of a warp's time.

    ``selected`` is the time in which a warp issues: no stall, but part of the whole.
    """
    total = sum(stalls.values())
    waits = {reason: value for reason, value in stalls.items() if reason != "selected"}
    if not waits or not total:
        return "", math.nan
    reason = max(waits, key=waits.__getitem__)
    return reason, 100 * waits[reason] / total


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "class": verdict.bound_class.value,
        "limiter": verdict.limiter.value if verdict.limiter else "",
        "margin": verdict.margin,
        "conflict": verdict.conflict,
        "latency": verdict.latency,
        "confidence": verdict.confidence.value,
        "basis": verdict.basis.value,
        "nvidia_class": verdict.nvidia_class,
        "evidence": verdict.evidence,
    }


def _text(missing: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in missing.items())
