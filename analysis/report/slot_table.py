"""The layer's slots at one size as a table: times, rates and flags."""

from collections.abc import Sequence

from dsprof.analysis.findings import LATENCY_US, SHORT_US
from dsprof.analysis.numerals import MISSING, significant
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.analysis.roofline import Position, place
from dsprof.analysis.slots import FilledSlot
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    Measurement,
    TimingState,
)

HEADINGS = (
    "Kernel",
    "Op",
    *(f">Latency {cache} (ms)" for cache in Cache),
    *(f">GFLOP/s {cache}" for cache in Cache),
    *(f">BW {cache} (GB/s)" for cache in Cache),
    *(f">Peak % {cache}" for cache in Cache),
    "Category",
    "Notes",
)
GIGA = 1e9


def slot_table(profile: Profile, filled: Sequence[FilledSlot]) -> Table:
    """One row a slot; a slot without a time has its reason under Notes."""
    return Table(headings=HEADINGS, rows=[_row(profile, slot) for slot in filled])


def flags(measurement: Measurement, cache: Cache, *, l2_bytes: int) -> list[str]:
    """What a reader must know about one timing, in a few words each."""
    timing = measurement.timing(cache)
    if timing is None:
        return []
    found = []
    placement = place(measurement, cache, l2_bytes=l2_bytes)
    if placement is not None and placement.position is not Position.UNDER:
        found.append(f"{cache} {placement.position}")
    if timing.state is not TimingState.STABLE:
        found.append(f"{cache} {timing.state}")
    if timing.median_us < LATENCY_US:
        found.append(f"{cache} under {LATENCY_US:g} us")
    elif timing.median_us < SHORT_US:
        found.append(f"{cache} under {SHORT_US:g} us")
    return found


def _row(profile: Profile, filled: FilledSlot) -> list[Cell]:
    return [
        Code(filled.call.kernel),
        Code(op_of(filled)),
        *(_numbers(filled.measurement)),
        filled.category or MISSING,
        "; ".join(_notes(profile, filled)),
    ]


def op_of(filled: FilledSlot) -> str:
    """The op, with the context length where the point has one."""
    kv_len = filled.measurement.point.kv_len if filled.measurement else None
    return filled.call.op if kv_len is None else f"{filled.call.op} kv={kv_len}"


def taken_note(filled: FilledSlot) -> str:
    """Whose place the call takes, if it is not the one that names the slot."""
    slot, call = filled.slot, filled.call
    if filled.stands_in:
        return f"counterpart of {slot.kernel}"
    if slot.alternatives and call not in slot.choices[0].calls:
        return f"in place of {slot.kernel}"
    return ""


def _numbers(measurement: Measurement | None) -> list[str]:
    if measurement is None:
        return [MISSING] * 4 * len(Cache)
    timings = [measurement.timing(cache) for cache in Cache]
    no_flops = not measurement.total_flops
    return [
        *(significant(t.median_us / 1000) if t else MISSING for t in timings),
        *(
            MISSING if no_flops else significant(measurement.flops_per_s(cache) / GIGA)
            for cache in Cache
        ),
        *(significant(measurement.bytes_per_s(cache) / GIGA) for cache in Cache),
        *(
            significant(measurement.peak_pct(cache)) if timing else MISSING
            for cache, timing in zip(Cache, timings, strict=True)
        ),
    ]


def _notes(profile: Profile, filled: FilledSlot) -> list[str]:
    notes = [taken_note(filled), filled.missing]
    if filled.measurement is not None and not filled.missing:
        l2_bytes = profile.device.l2_bytes
        notes += [
            flag
            for cache in Cache
            for flag in flags(filled.measurement, cache, l2_bytes=l2_bytes)
        ]
    return [note for note in notes if note]
