"""Joins the layer's slots with the points measured at one problem size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from dsprof.analysis.sizes import ProblemSize
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Alternative,
    Cache,
    Call,
    LayerPath,
    Measurement,
    Slot,
    Status,
)

Rows: TypeAlias = Mapping[Call, Sequence[Measurement]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledSlot:
    """One call of the alternative that a slot takes, and its point.

    ``missing`` says why there is no time, if there is none; ``stands_in`` that the
    call is a counterpart of what the model runs.
    """

    slot: Slot
    call: Call
    stands_in: bool
    category: str
    measurement: Measurement | None
    missing: str

    def time_us(self, cache: Cache) -> float | None:
        timing = self.measurement.timing(cache) if self.measurement else None
        return timing.median_us if timing else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """What the timed calls add up to; ``timed`` counts slots that lack none."""

    timed: int
    total_us: float
    missing: tuple[Slot, ...]  # slots with a call that has no time


def fill_slots(
    profile: Profile,
    size: ProblemSize,
    *,
    path: LayerPath = LayerPath.AS_LISTED,
    kv_len: int | None = None,
) -> list[FilledSlot]:
    """The slots of a path and the size's phase in order, an entry for each call.

    A slot takes its first alternative that is timed whole, or else the first of
    those with the most timed calls. Without a ``kv_len``, a call that was timed at
    several context lengths has an entry for each.
    """
    rows: dict[Call, list[Measurement]] = {}
    for row in size.select(profile.measurements):
        if kv_len is None or row.point.kv_len in {None, kv_len}:
            call = Call(kernel=row.point.kernel, op=row.point.op)
            rows.setdefault(call, []).append(row)
    return [
        entry
        for slot in profile.slots
        if (slot.phase, slot.path) == (size.phase, path)
        for taken in [_taken(slot, rows)]
        for call in taken.calls
        for entry in _entries(profile, size, slot, taken, call, rows)
    ]


def sum_slots(filled: Sequence[FilledSlot], cache: Cache) -> Sum:
    """Add up the slots' calls; of several times for a call, the quickest."""
    calls = quickest(filled, cache)
    slots = list(dict.fromkeys(slot for slot, _ in calls))
    missing = {slot for (slot, _), time_us in calls.items() if time_us is None}
    return Sum(
        timed=len(slots) - len(missing),
        total_us=sum(
            slot.count * time_us
            for (slot, _), time_us in calls.items()
            if time_us is not None
        ),
        missing=tuple(slot for slot in slots if slot in missing),
    )


def quickest(
    filled: Sequence[FilledSlot], cache: Cache
) -> dict[tuple[Slot, Call], float | None]:
    """The least time of each call in order, None for a call that has none."""
    found: dict[tuple[Slot, Call], float | None] = {}
    for entry in filled:
        key, time_us = (entry.slot, entry.call), entry.time_us(cache)
        known = found.setdefault(key, time_us)
        if time_us is not None and (known is None or time_us < known):
            found[key] = time_us
    return found


def reason_of(measurement: Measurement) -> str:
    """Status and reason of a point without a time, for example ``failed: ...``."""
    return ": ".join(filter(None, (str(measurement.status), measurement.reason)))


def why_no_row(profile: Profile, kernel: str, op: str, size: ProblemSize) -> str:
    """Why the profile holds no row at all for this op at this size."""
    entry = next((row for row in profile.catalogue if row.name == kernel), None)
    if entry is not None and entry.reason:
        return entry.reason
    if kernel not in profile.sweep.kernels:
        return "not asked for in this run"
    rows = [row for row in profile.measurements if row.point.kernel == kernel]
    if rows and all(row.point.op != op for row in rows):
        return f"{kernel} was run, but not for this op"
    if not size.select(profile.measurements):
        return f"this run has no point at {size.title}"
    return "planned, but the run has no row for it"


def _taken(slot: Slot, rows: Rows) -> Alternative:
    def rank(alternative: Alternative) -> tuple[bool, int]:
        timed = sum(
            any(row.status is Status.OK for row in rows.get(call, ()))
            for call in alternative.calls
        )
        whole = timed == len(alternative.calls)
        return whole, 0 if whole else timed

    return max(slot.choices, key=rank)  # the first of equals


def _entries(  # noqa: PLR0913, PLR0917 -- what one row of the layer is made of
    profile: Profile,
    size: ProblemSize,
    slot: Slot,
    taken: Alternative,
    call: Call,
    rows: Rows,
) -> list[FilledSlot]:
    categories = {entry.name: entry.category for entry in profile.catalogue}
    found: Sequence[Measurement | None] = rows.get(call) or [None]
    return [
        FilledSlot(
            slot=slot,
            call=call,
            stands_in=taken.stands_in,
            category=row.category if row else categories.get(call.kernel, ""),
            measurement=row,
            missing=_missing(row)
            if row
            else why_no_row(profile, call.kernel, call.op, size),
        )
        for row in found
    ]


def _missing(row: Measurement) -> str:
    return "" if row.status is Status.OK else reason_of(row)
