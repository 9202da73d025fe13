"""The least time that the roofs allow a launch whose FLOP and DRAM bytes were counted.

Units work side by side, so the time is that of the unit that needs longest: DRAM for
the bytes, each datapath for its own FLOP. It is a lower bound of the work that was
done, not of the work that was needed: a fusion can beat it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from dsprof.analysis.roofs import COMPUTE_PATTERNS, MEASURED, MEMORY_PATTERN, RoofKind
from dsprof.harness.counters import Counters
from dsprof.harness.device import Datapath
from dsprof.harness.profile import Profile

BYTES = "DRAM bytes"
BYTES_ALONE = "by bytes alone: tensor FLOP were not counted"
# As in the merge of counters: moves of constants count as tensor work.
_IDLE_TENSOR_PCT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RoofTime:
    """The time of a launch at its roof, and what takes that time."""

    time_us: float
    by: str
    note: str = ""  # what the time leaves out


def roof_times(profile: Profile, launch: Counters) -> dict[RoofKind, RoofTime]:
    """The time under the rated roofs and, where they were measured, in a burst.

    A kind is left out where DRAM bytes were not counted, or one of its roofs that the
    launch needs is not known.
    """
    if launch.dram_bytes is None:
        return {}
    found = {}
    for kind in (RoofKind.SPEC, RoofKind.BURST):
        bytes_per_s, rates = _rates(profile, kind)
        if not bytes_per_s:
            continue
        times_us = {BYTES: 1e6 * launch.dram_bytes / bytes_per_s}
        for path, flops in launch.executed_flops.items():
            if flops:
                rate = rates.get(path, math.nan)
                times_us[f"{path} FLOP"] = 1e6 * flops / rate
        if any(math.isnan(time_us) for time_us in times_us.values()):
            continue
        by = max(times_us, key=times_us.__getitem__)
        found[kind] = RoofTime(time_us=times_us[by], by=by, note=_note(launch))
    return found


def _rates(profile: Profile, kind: RoofKind) -> tuple[float, Mapping[Datapath, float]]:
    """Byte/s, 0 where unknown, and FLOP/s by datapath."""
    if kind is RoofKind.SPEC:
        return profile.device.hbm_bytes_per_s, profile.device.flops_per_s
    values = {
        one.pattern: one.value
        for one in profile.ceilings
        if one.duration is MEASURED[kind]
    }
    rates = {
        path: values[pattern]
        for path, pattern in COMPUTE_PATTERNS.items()
        if pattern in values
    }
    return values.get(MEMORY_PATTERN, 0.0), rates


def _note(launch: Counters) -> str:
    tensor = [path for path in launch.executed_flops if path is not Datapath.FP32]
    busy = (launch.tensor_pipe_pct or 0) > _IDLE_TENSOR_PCT
    counted = sum(launch.executed_flops[path] for path in tensor)
    return BYTES_ALONE if busy and not counted else ""
