"""Several launches of one range read as one: sums, means, and what is missing."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from dsprof.harness.counters import Counters, counter_metrics

NO_WEIGHTS = "no durations to weigh the launches by"

_SUMMED = frozenset(
    {
        *("duration_ns", "dram_bytes", "dram_read_bytes", "dram_write_bytes"),
        *("l2_bytes", "l1_bytes", "l2_to_l1_bytes", "fp32_flops"),
        *(name for name in counter_metrics() if name.startswith("tensor_")),
    }
) - {"tensor_pipe_pct"}
_LARGEST = frozenset(
    {
        *("passes", "registers_per_thread", "cluster_size"),
        *("shared_memory_static_bytes", "shared_memory_dynamic_bytes"),
    }
)
# What limits occupancy is a fact of one launch: the longest one's.
_OF_LONGEST = frozenset(name for name in counter_metrics() if name.startswith("limit_"))


def merge_launches(launches: tuple[Counters, ...]) -> Counters:
    """One Counters for several launches.

    Times, bytes and FLOP are sums; percentages, clocks, waves and stalls are means
    weighted by duration; registers, shared memory and passes are the largest. Names,
    grid and occupancy limits are those of the longest launch. A value that any launch
    lacks is None, with the reason in ``missing``: a part never passes for the whole.
    """
    if len(launches) == 1:
        return launches[0]
    longest = max(launches, key=lambda launch: launch.duration_ns or 0)
    merged: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for name in counter_metrics():
        if name in _OF_LONGEST:
            continue
        values = [getattr(launch, name) for launch in launches]
        merged[name] = _merge_values(name, values, launches)
        if merged[name] is None and (why := _why_missing(name, launches)):
            missing[name] = why
    own_titles = {launch.nvidia_class for launch in launches}
    return replace(
        longest,
        **merged,
        stalls=_mean_stalls(launches),
        nvidia_class=own_titles.pop() if len(own_titles) == 1 else "",
        missing=missing,
    )


def _merge_values(
    name: str, values: list[float | None], launches: Iterable[Counters]
) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    if name in _SUMMED:
        return sum(known)
    return max(known) if name in _LARGEST else _mean(known, launches)


def _mean(values: list[float], launches: Iterable[Counters]) -> float | None:
    """Mean weighted by duration; None where a launch has no duration."""
    weights = [launch.duration_ns for launch in launches]
    known = [weight for weight in weights if weight is not None]
    total = sum(known)
    if len(known) < len(weights) or not total:
        return None
    mean = sum(value * weight for value, weight in zip(values, known, strict=True))
    # Rounding must not carry a mean of equal values outside them.
    return min(max(mean / total, min(values)), max(values))


def _mean_stalls(launches: tuple[Counters, ...]) -> Mapping[str, float]:
    shared = set.intersection(*(set(launch.stalls) for launch in launches))
    means = {
        reason: _mean([launch.stalls[reason] for launch in launches], launches)
        for reason in launches[0].stalls
        if reason in shared
    }
    return {reason: mean for reason, mean in means.items() if mean is not None}


def _why_missing(name: str, launches: tuple[Counters, ...]) -> str:
    """Why a merged counter is None; empty where no launch says so or has it."""
    lacking = [launch for launch in launches if getattr(launch, name) is None]
    if not lacking:
        return NO_WEIGHTS
    reasons = dict.fromkeys(launch.missing.get(name, "") for launch in lacking)
    said = ", ".join(reason for reason in reasons if reason)
    if len(lacking) == len(launches):
        return said
    counted = f"missing in {len(lacking)} of {len(launches)} launches"
    return f"{counted}: {said}" if said else counted
