"""The page's first lines: what the profile holds, and its times in short."""

import math
from collections import Counter
from typing import TYPE_CHECKING

from dsprof.analysis.classify import BoundClass
from dsprof.analysis.layer import LayerTimes, Part, headroom, layer_times, path_of
from dsprof.analysis.model_kernels import ModelKernels
from dsprof.analysis.numerals import plural, significant
from dsprof.analysis.report.summary import recorded, status_counts
from dsprof.analysis.shown_rows import judged_rows, launch_count, state_words
from dsprof.analysis.sizes import REPORTED_SIZES, ProblemSize
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Phase, Status

if TYPE_CHECKING:
    import pandas as pd

Fact = tuple[str, str, str]  # what, its value, and what the value is of


def facts(
    profile: Profile, merged: "pd.DataFrame | None", models: list[ModelKernels]
) -> list[Fact]:
    """Those that the profile has something for."""
    found: list[Fact] = [("GPU", profile.device.name, _when(profile))]
    rows = profile.measurements
    if rows:
        timed = {row.point.kernel for row in rows if row.status is Status.OK}
        found.append(("Points", f"{len(rows):,}", status_counts(profile)))
        of = f"of {plural(len(profile.catalogue), 'listed kernel')}"
        found.append(("Kernels with a time", f"{len(timed)}", of))
    if merged is not None:
        found.append(_classes(merged, launch_count(profile)))
    for model in models:
        time = model.time
        busy = 100 * time.busy_ns / time.wall_ns if time.wall_ns else math.nan
        value = f"{significant(time.kernel_ns / 1e6)} ms of kernels"
        note = (
            f"{plural(len(model.kernels), 'kernel')}, GPU busy {significant(busy)} % "
            "of the wall time"
        )
        found.append((f"Range {model.name}", value, note))
    return found + [fact for size in REPORTED_SIZES for fact in _layer(profile, size)]


def _when(profile: Profile) -> str:
    """When it was recorded; empty where no part of the profile says so."""
    if profile.measurements:
        return f"recorded {recorded(profile)}"
    started = [
        *(timeline.started for timeline in profile.timelines),
        *(capture.started for capture in profile.captures),
    ]
    return next((f"recorded {when}" for when in started if when), "")


def _classes(merged: "pd.DataFrame", launches: str) -> Fact:
    judged = judged_rows(merged)
    counts = Counter(judged["class"])
    words = ", ".join(f"{counts[name]} {name}" for name in BoundClass if counts[name])
    return "Counted", launches, f"{words} ({state_words(judged['cache'].iloc[0])})"


def _layer(profile: Profile, size: ProblemSize) -> list[Fact]:
    """An MoE layer's time at a size, cold or else warm, and where most could be won."""
    decode = size.phase is Phase.DECODE
    kv_len = next(iter(profile.sweep.kv_lens), None) if decode else None
    layer = layer_times(profile, size, path_of(profile), kv_len)
    for cache in (Cache.COLD, Cache.WARM):
        time = layer.parts[cache].get(Part.MOE)
        if time is not None and time.total_us:
            kv = "" if kv_len is None else f", kv_len {kv_len}"
            least = "at least " if time.is_lower_bound else ""
            note = f"{size.title}{kv}, {layer.path}, {cache} L2{_most(layer, cache)}"
            return [("MoE layer", f"{least}{significant(time.total_us)} us", note)]
    return []


def _most(layer: LayerTimes, cache: Cache) -> str:
    ranked = headroom(layer, cache)
    if not ranked:
        return ""
    first = ranked[0]
    return (
        f"; most above its roof: {first.entry.call.label}, "
        f"{significant(first.headroom_pct)} % of the layer"
    )
