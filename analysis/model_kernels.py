"""A timeline's longest kernels joined with what ncu counted of them: a row a kernel."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dsprof.analysis.classify import DEFAULT_THRESHOLDS
from dsprof.analysis.merged_frame import merged_frame
from dsprof.analysis.model_launches import (
    CountedPart,
    counted_parts,
    typical_launch,
)
from dsprof.analysis.model_roofs import RoofTime, roof_times
from dsprof.analysis.roofs import RoofKind
from dsprof.analysis.timeline_frame import kernels_frame, range_time
from dsprof.harness.profile import Profile
from dsprof.harness.timeline import RangeTime, Timeline

if TYPE_CHECKING:
    import pandas as pd

TOP = 20
NO_COUNTERS = "no counters were captured"
NOT_CAPTURED = "it was not captured"
OTHER_SIZES = "only launch configurations that the timeline lacks were captured"
_US = 1000  # ns
_FLAGS = ("conflict", "latency")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelKernels:
    """One range of a timeline: every kernel's time, and the longest with counters.

    ``kernels`` is a kernels_frame. ``top`` has its first rows with the rank (from 1),
    times in us, and the columns of a merged frame. Counters are those of the launch
    configurations that were profiled, weighted by their time in the timeline; bytes
    and FLOP are of a mean launch. ``kernel_us`` is the mean time of these
    configurations in the timeline, ``duration_us`` under ncu. Rates and the latency
    flag are over ``kernel_us``. Roof times and headroom are those of roof_times.
    """

    profile: Profile
    timeline: Timeline
    range: str
    time: RangeTime
    kernels: "pd.DataFrame"
    top: "pd.DataFrame"

    @property
    def counted(self) -> "pd.DataFrame":
        """The rows of ``top`` that have counters."""
        return self.top[self.top["profiled"] > 0]

    @property
    def name(self) -> str:
        """Of the range, for a reader."""
        return self.range or "whole recording"


def model_kernels(
    profile: Profile,
    timeline: Timeline,
    range_name: str | None = None,
    *,
    top: int = TOP,
) -> ModelKernels:
    """Join a range's kernels with the profile's counters.

    There are more rows than ``top`` where more kernels were captured.
    """
    name = timeline.range if range_name is None else range_name
    kernels = kernels_frame(timeline, name)
    captured = {one.kernel_name for one in profile.counters if not one.label}
    parts = {
        kernel: counted_parts(profile.counters, timeline, name, kernel)
        if kernel in captured
        else []
        for kernel in map(str, kernels["kernel_name"])
    }
    counted = {kernel for kernel, found in parts.items() if found}
    ranked = enumerate(kernels["kernel_name"], start=1)
    last = max((rank for rank, kernel in ranked if kernel in counted), default=0)
    times = _times(kernels.head(max(top, last)))
    return ModelKernels(
        profile=profile,
        timeline=timeline,
        range=name,
        time=range_time(timeline, name),
        kernels=kernels,
        top=_joined(profile, times, parts),
    )


def _gaps(profile: Profile) -> Mapping[str, str]:
    """Kernels that captures were asked for and gave nothing of, and why."""
    return {
        gap.label: gap.reason for capture in profile.captures for gap in capture.gaps
    }


def _times(kernels: "pd.DataFrame") -> "pd.DataFrame":
    """A kernels_frame with ranks, and times in us."""
    times = kernels.reset_index(drop=True).astype({"kernel_name": "str"})
    times.insert(0, "rank", range(1, len(times) + 1))
    for name in ("mean", "median", "min", "max", "stddev"):
        times[f"{name}_us"] = times.pop(f"{name}_ns") / _US
    return times


def _joined(
    profile: Profile, times: "pd.DataFrame", parts: Mapping[str, list[CountedPart]]
) -> "pd.DataFrame":
    import pandas as pd

    found = {name: parts[name] for name in times["kernel_name"] if parts[name]}
    typical = {name: typical_launch(own) for name, own in found.items()}
    counted = merged_frame(
        replace(profile, measurements=(), captures=(), counters=tuple(typical.values()))
    ).drop(columns=["name", "kernel"])
    counted["kernel_names"] = pd.Series(list(typical), dtype="str")
    counted = counted.assign(**_over_program_time(counted, found.values()))
    roofs = [
        _roof_columns(roof_times(profile, launch), kernel_us)
        for launch, kernel_us in zip(
            typical.values(), counted["kernel_us"], strict=True
        )
    ]
    counted = counted.join(
        pd.DataFrame(roofs, columns=list(ROOF_COLUMNS)).astype(
            dict.fromkeys(ROOF_TEXTS, "str") | dict.fromkeys(ROOF_NUMBERS, "float64")
        )
    )
    top = times.merge(
        counted, left_on="kernel_name", right_on="kernel_names", how="left"
    )
    texts = [
        str(name)
        for name in counted
        if pd.api.types.is_string_dtype(counted[name].dtype)
    ]
    top = top.fillna(dict.fromkeys(texts, ""))
    top = top.astype(dict.fromkeys(_FLAGS, "boolean"))
    top = top.fillna(dict.fromkeys(_FLAGS, False)).astype(dict.fromkeys(_FLAGS, bool))
    names = [str(name) for name in top["kernel_name"]]
    covered_ns = [sum(part.total_ns for part in parts[name]) for name in names]
    spec, burst = (
        top["share_pct"] * (1 - top[f"{kind}_roof_us"] / top["kernel_us"])
        for kind in (RoofKind.SPEC, RoofKind.BURST)
    )
    reasons = _reasons(profile, top, parts)
    return top.assign(
        profiled=pd.Series([len(_sizes(parts[n])) for n in names], dtype="int64"),
        covered_pct=100 * pd.Series(covered_ns, dtype="float64") / top["total_ns"],
        why_missing=reasons,
        headroom_pct=spec,
        burst_headroom_pct=burst,
        kernel=[
            f"#{rank} {name}"
            for rank, name in zip(top["rank"], top["friendly"], strict=True)
        ],
        phase="",
        category=top["family"],
        source=top["library"],
    )


def _sizes(parts: Sequence[CountedPart]) -> set[object]:
    return {(part.launch.grid, part.launch.block) for part in parts}


def _over_program_time(
    counted: "pd.DataFrame", parts: Iterable[Sequence[CountedPart]]
) -> "dict[str, pd.Series]":
    """Times in the timeline, and what follows from them instead of ncu's time."""
    import pandas as pd

    kernel_us = pd.Series(
        [
            sum(part.total_ns for part in own)
            / sum(part.instances for part in own)
            / _US
            for own in parts
        ],
        dtype="float64",
    )
    short = kernel_us < DEFAULT_THRESHOLDS.latency_us
    return {
        "kernel_us": kernel_us,
        "flops_per_s_measured": counted["executed_flops"] / kernel_us * 1e6,
        "latency": short | (counted["waves_per_sm"] < 1),
    }


ROOF_TEXTS = ("spec_roof_by", "burst_roof_by", "roof_note")
ROOF_NUMBERS = (
    *("spec_roof_us", "burst_roof_us"),
    *("spec_roof_pct", "burst_roof_pct"),
)
ROOF_COLUMNS = (*ROOF_TEXTS, *ROOF_NUMBERS)


def _roof_columns(
    found: Mapping[RoofKind, RoofTime], kernel_us: float
) -> dict[str, object]:
    columns: dict[str, object] = {"roof_note": ""}
    for kind in (RoofKind.SPEC, RoofKind.BURST):
        roof = found.get(kind)
        time_us = roof.time_us if roof else math.nan
        columns |= {
            f"{kind}_roof_us": time_us,
            f"{kind}_roof_by": roof.by if roof else "",
            f"{kind}_roof_pct": 100 * time_us / kernel_us,
        }
        if roof and roof.note:
            columns["roof_note"] = roof.note
    return columns


def _reasons(
    profile: Profile, top: "pd.DataFrame", parts: Mapping[str, list[CountedPart]]
) -> list[str]:
    """Why a row has no counters; empty where it has."""
    gaps = _gaps(profile)
    captured = {one.kernel_name for one in profile.counters if not one.label}
    reasons = []
    for name in top["kernel_name"]:
        if parts[name]:
            reasons.append("")
        elif name in gaps:
            reasons.append(gaps[name].rstrip("."))
        elif name in captured:
            reasons.append(OTHER_SIZES)
        else:
            reasons.append(NOT_CAPTURED if captured or gaps else NO_COUNTERS)
    return reasons
