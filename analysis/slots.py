"""Joins the layer's slots with the points measured at one problem size."""

from dataclasses import dataclass

from dsprof.analysis.sizes import ProblemSize
from dsprof.harness.records import Cache, Measurement, Profile, Slot, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledSlot:
    """A slot and its point; ``missing`` says why there is no time, if there is none."""

    slot: Slot
    category: str
    measurement: Measurement | None
    missing: str

    def time_us(self, cache: Cache) -> float | None:
        timing = self.measurement.timing(cache) if self.measurement else None
        return timing.median_us if timing else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """What the timed slots add up to: a lower bound of the layer's time."""

    timed: int
    total_us: float
    missing: tuple[Slot, ...]


def fill_slots(profile: Profile, size: ProblemSize) -> list[FilledSlot]:
    """The slots of the size's phase in order; one entry a context length if several."""
    at_size = size.select(profile.measurements)
    categories = {entry.name: entry.category for entry in profile.catalogue}
    filled = []
    for slot in profile.slots:
        if slot.phase is not size.phase:
            continue
        found = [
            row
            for row in at_size
            if (row.point.kernel, row.point.op) == (slot.kernel, slot.op)
        ]
        filled += [
            FilledSlot(
                slot=slot,
                category=row.category,
                measurement=row,
                missing="" if row.status is Status.OK else reason_of(row),
            )
            for row in found
        ] or [
            FilledSlot(
                slot=slot,
                category=categories.get(slot.kernel, ""),
                measurement=None,
                missing=why_no_row(profile, slot.kernel, slot.op, size),
            )
        ]
    return filled


def sum_slots(filled: list[FilledSlot], cache: Cache) -> Sum:
    """Add up one call a slot; of several context lengths, the quickest."""
    times: dict[Slot, list[float]] = {entry.slot: [] for entry in filled}
    for entry in filled:
        time_us = entry.time_us(cache)
        if time_us is not None:
            times[entry.slot].append(time_us)
    return Sum(
        timed=sum(bool(found) for found in times.values()),
        total_us=sum(min(found) for found in times.values() if found),
        missing=tuple(slot for slot, found in times.items() if not found),
    )


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
