"""The page's rows: timed points, counted points, launches, kernels and roofs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis.merge import merge_profile
from dsprof.analysis.merged_frame import merged_frame
from dsprof.analysis.names import name_kernel
from dsprof.analysis.report.index_embed import Json, number, numbers, texts
from dsprof.analysis.roofs import roofs
from dsprof.analysis.shown_rows import shown_rows
from dsprof.harness.ceiling import Duration, Pattern
from dsprof.harness.counters import Counters
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache

if TYPE_CHECKING:
    import pandas as pd

_POINT_TEXTS = (
    *("kernel", "op", "phase", "status", "reason", "source", "category"),
    *("provider", "dtype", "datapath", "warm_state", "cold_state"),
)
_POINT_NUMBERS = (
    *("batch_size", "seq_len", "kv_len", "tokens", "m", "n", "k", "flops", "bytes"),
    *("intensity_flop_per_byte", "roof_us"),
    *("warm_us", "cold_us", "warm_peak_pct", "cold_peak_pct"),
)
_COUNTED_TEXTS = (
    *("name", "kernel", "op", "phase", "category", "source", "datapath", "cache"),
    *("class", "limiter", "confidence", "nvidia_class", "occupancy_limiter"),
    *("evidence", "missing"),
)
_COUNTED_NUMBERS = (
    *("batch_size", "seq_len", "kv_len", "tokens", "launches", "conflict"),
    *("duration_us", "graph_us", "ncu_over_graph", "flop_inflation"),
    *("traffic_amplification", "dram_bytes", "flops_per_s_measured"),
    *("intensity_dram", "intensity_l2", "intensity_l1"),
    *("sm_pct", "tensor_pipe_pct", "memory_pct", "dram_pct", "l2_pct"),
    *("l1_hit_pct", "l2_hit_pct", "achieved_occupancy_pct", "waves_per_sm"),
)
_LAUNCH_NUMBERS = (
    *("sm_pct", "tensor_pipe_pct", "memory_pct", "dram_pct", "l2_hit_pct"),
    *("achieved_occupancy_pct", "registers_per_thread", "waves_per_sm"),
    "dram_bytes",
)


def point_rows(profile: Profile, frame: "pd.DataFrame") -> Json:
    """Every planned point, with the class of each cache state.

    The class is that of the counters where the point was captured in this state, and
    else the analytic one; ``*_basis`` says which.
    """
    verdicts = _verdicts(profile)
    labels = [row.point.label for row in profile.measurements]
    columns: dict[str, Json] = {name: texts(frame[name]) for name in _POINT_TEXTS}
    columns |= {name: numbers(_values(frame, name)) for name in _POINT_NUMBERS}
    for cache in Cache:
        own = [verdicts.get((label, cache.value), ("", "", "")) for label in labels]
        for place, name in enumerate(("class", "limiter", "basis")):
            columns[f"{cache}_{name}"] = texts(verdict[place] for verdict in own)
    return columns


def _verdicts(profile: Profile) -> dict[tuple[str, str], tuple[str, str, str]]:
    judged = merged_frame(profile, analytic=True)
    keys = zip(judged["name"], judged["cache"], strict=True)
    values = zip(judged["class"], judged["limiter"], judged["basis"], strict=True)
    return dict(zip(keys, values, strict=True))


def counted_rows(merged: "pd.DataFrame | None") -> Json:
    """Every row of a merged frame in a report's order: a point in a cache state."""
    if merged is None:
        return {}
    columns: dict[str, Json] = {name: texts(merged[name]) for name in _COUNTED_TEXTS}
    return columns | {name: numbers(_values(merged, name)) for name in _COUNTED_NUMBERS}


def launch_rows(profile: Profile) -> Json:
    """Every launch of the newest captures, under its kernel's name in the report."""
    if not profile.counters:
        return {}
    owned = [
        (merged.kernel if launch.label else name_kernel(launch.kernel_name).friendly)
        for merged in merge_profile(profile)
        for launch in merged.launches
    ]
    launches = [one for merged in merge_profile(profile) for one in merged.launches]
    columns: dict[str, Json] = {
        "kernel": texts(owned),
        "label": texts(one.label for one in launches),
        "cache": texts(one.cache.value if one.cache else "" for one in launches),
        "kernel_name": texts(one.kernel_name for one in launches),
        "grid": texts(_sides(one.grid) for one in launches),
        "block": texts(_sides(one.block) for one in launches),
        "launch": [one.launch for one in launches],
        "duration_us": numbers(map(_duration_us, launches)),
    }
    return columns | {
        name: numbers(getattr(one, name) for one in launches)
        for name in _LAUNCH_NUMBERS
    }


def kernel_rows(profile: Profile) -> Json:
    """What the catalogue says of each kernel."""
    return [
        {
            "name": entry.name,
            "source": entry.source,
            "category": entry.category,
            "summary": entry.summary,
            "limits": list(entry.limits),
            "reason": entry.reason,
        }
        for entry in profile.catalogue
    ]


def roof_rows(profile: Profile) -> dict[str, Json]:
    """Rated and measured roofs of every datapath, and the measured L2 roof."""
    found: list[Json] = [
        {
            "kind": kind.value,
            "datapath": datapath.value,
            "flops_per_s": number(roof.flops_per_s),
            "bytes_per_s": number(roof.bytes_per_s),
        }
        for datapath in profile.device.flops_per_s
        for kind, roof in roofs(profile, datapath).items()
    ]
    return {"roofs": found, "l2_bytes_per_s": number(_l2_bytes_per_s(profile))}


def shown_counters(profile: Profile) -> "pd.DataFrame | None":
    """The merged frame as the reports show it; None without counters."""
    return shown_rows(merged_frame(profile)) if profile.counters else None


def _l2_bytes_per_s(profile: Profile) -> float | None:
    values = [
        ceiling.value
        for ceiling in profile.ceilings
        if ceiling.pattern is Pattern.L2_READ and ceiling.duration is Duration.BURST
    ]
    return max(values, default=None)


def _values(frame: "pd.DataFrame", name: str) -> Sequence[object]:
    """A column as plain Python values; a missing integer is None."""
    column = frame[name].astype("object")
    values: list[object] = column.where(column.notna(), None).tolist()
    return values


def _duration_us(launch: Counters) -> float | None:
    return None if launch.duration_ns is None else launch.duration_ns / 1000


def _sides(sides: tuple[int, int, int]) -> str:
    return " x ".join(map(str, sides))
