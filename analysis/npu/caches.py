"""Section 3: what the caches caught, and what on-chip memory would have to hold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from dsprof.analysis.findings import Finding
from dsprof.analysis.npu.confidence import of_layers
from dsprof.analysis.npu.counted import counted_parts, labels_by_weight, weighted_mean
from dsprof.analysis.npu.layers import NpuData, SizedCall, SizedLayer
from dsprof.analysis.npu.link_bytes import (
    MoeSizes,
    experts_read,
    kv_transfer_bytes,
)
from dsprof.analysis.npu.section import (
    Grid,
    Recommendation,
    Section,
    Topic,
    advice,
    found,
)
from dsprof.analysis.npu.slack import percent
from dsprof.analysis.npu.weights import ATTENTION, EXPERTS, weight_bytes
from dsprof.analysis.numerals import plural, scaled_bytes, significant
from dsprof.analysis.whatif.project import Machines, layer_seconds
from dsprof.analysis.whatif.terms import CallTerms, Term
from dsprof.harness.records import Cache

if TYPE_CHECKING:
    import pandas as pd

FELT_PCT = 5.0  # of the layer's time: less is not worth its area


class Part(StrEnum):
    """What a layer's HBM bytes are."""

    HANDED_ON = "activations between calls"
    KV = "KV cache of one layer"
    WEIGHTS = "weights of one layer but its routed experts"
    EXPERTS = "routed experts that the batch chose"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """What it takes to keep a part of the layer's bytes on chip, and what it gives."""

    part: Part
    bytes: float  # capacity
    gain_pct: float  # of the layer's time
    labels: tuple[str, ...]


def caches(data: NpuData) -> Section:
    """Hit rates as counted, and the capacities at which parts stay resident."""
    parts = counted_parts(data)
    return Section(
        topic=Topic.CACHES,
        findings=[
            *(one for title, rows in parts for one in _hits(title, rows)),
            *_warm_against_cold(data),
        ],
        tables=[_table(data)] if data.layers else [],
        recommendations=list(_capacity(data)),
        outside=list(_outside(data, has_counters=bool(parts))),
    )


def _hits(title: str, rows: "pd.DataFrame") -> Iterator[Finding]:
    rates = [
        f"{name} hits {significant(rate)} %"
        for name, column in (("L1", "l1_hit_pct"), ("L2", "l2_hit_pct"))
        if (rate := weighted_mean(rows, column)) == rate
    ]
    if not rates:
        return
    known = rows.dropna(subset=["l2_bytes", "dram_bytes"])
    l2, dram = float(known["l2_bytes"].sum()), float(known["dram_bytes"].sum())
    words = f"{' and '.join(rates)}, weighted by time"
    if dram:
        words += (
            f"; L2 moved {scaled_bytes(l2)} in {plural(len(known), 'call')}, "
            f"{significant(l2 / dram)} bytes for each of DRAM's {scaled_bytes(dram)}"
        )
    yield found(f"{title}, counted", words, labels_by_weight(rows))


def _warm_against_cold(data: NpuData) -> Iterator[Finding]:
    """What a warm L2 is worth: the calls that were timed both ways."""
    l2_bytes = data.profile.device.l2_bytes
    for layer in data.layers:
        both = [
            call
            for call in layer.calls
            if call.row.warm is not None and call.row.cold is not None
        ]
        cold, warm = (_summed_us(both, name) for name in (Cache.COLD, Cache.WARM))
        if not both:
            continue
        fits = [call for call in both if call.row.total_bytes <= l2_bytes]
        yield found(
            f"{layer.title}, timed",
            f"{significant(cold)} us with a cold L2, {significant(warm)} us where each "
            f"call finds its own bytes; those of {len(fits)} of "
            f"{plural(len(both), 'call')} fit into {scaled_bytes(l2_bytes)}, "
            f"{significant(layer.share_pct(fits))} % of the time",
            layer.longest(fits),
        )


def _summed_us(calls: Sequence[SizedCall], cache: Cache) -> float:
    return sum(
        call.terms.count * timing.median_us
        for call in calls
        if (timing := call.row.timing(cache)) is not None
    )


def residents(data: NpuData, layer: SizedLayer) -> list[Resident]:
    """The parts of the layer's bytes, each with the gain if HBM no longer moved it."""
    moved: dict[Part, dict[tuple[str, str], float]] = {part: {} for part in Part}
    capacity = dict.fromkeys(Part, 0.0)
    before = 0.0
    for call in layer.calls:
        row, key = call.row, (call.terms.kernel, call.terms.op)
        part = Part.EXPERTS if row.point.op.startswith(EXPERTS) else Part.WEIGHTS
        if weights := weight_bytes(row):
            moved[part][key] = weights
            capacity[part] += call.terms.count * weights
        cached = _kv_of(data, layer, call)
        if cached:
            moved[Part.KV][key] = cached
            capacity[Part.KV] += call.terms.count * cached
        # What the call before wrote, and what it writes for the next one.
        inputs = min(before, row.bytes_read - weights - cached)
        handed = max(inputs, 0.0) + row.bytes_written
        moved[Part.HANDED_ON][key] = handed
        capacity[Part.HANDED_ON] = max(capacity[Part.HANDED_ON], handed)
        before = float(row.bytes_written)
    return [
        Resident(
            part=part,
            bytes=capacity[part],
            gain_pct=_gain_pct(layer, moved[part]),
            labels=tuple(
                layer.longest(
                    [
                        call
                        for call in layer.calls
                        if (call.terms.kernel, call.terms.op) in moved[part]
                    ]
                )
            ),
        )
        for part in Part
        if capacity[part]
    ]


def _kv_of(data: NpuData, layer: SizedLayer, call: SizedCall) -> float:
    """Bytes of the KV cache that an attention call of decode reads."""
    if not layer.is_decode or call.row.category != ATTENTION:
        return 0.0
    sizes, kv_len = MoeSizes.of(data.model), call.row.point.kv_len
    if sizes is None or kv_len is None:
        return 0.0
    cached = layer.size.batch_size * kv_len * kv_transfer_bytes(sizes)
    return min(cached, float(call.row.bytes_read))


def _gain_pct(layer: SizedLayer, kept: Mapping[tuple[str, str], float]) -> float:
    """Percent less time if these bytes of each call no longer went to HBM."""
    calls = tuple(
        _without(call.terms, kept.get((call.terms.kernel, call.terms.op), 0.0))
        for call in layer.calls
    )
    machines = Machines.of(layer.terms.source)
    changed = float(layer_seconds(replace(layer.terms, calls=calls), machines))
    return percent(1 - changed / layer.time_s)


def _without(call: CallTerms, kept: float) -> CallTerms:
    if not call.hbm_bytes:
        return call
    left = max(1 - kept / call.hbm_bytes, 0.0)
    return replace(call, hbm_s=call.hbm_s * left)


def _table(data: NpuData) -> Grid:
    return Grid(
        title=(
            "What one layer's bytes would need on chip, and the layer's time that goes "
            "if HBM no longer moves them (the on-chip and fixed times stay)"
        ),
        headings=("Size", "Part", ">Capacity", ">Of this L2 (%)", ">Gain (%)"),
        rows=[
            (
                layer.title,
                str(one.part),
                scaled_bytes(one.bytes),
                significant(100 * one.bytes / data.profile.device.l2_bytes),
                significant(one.gain_pct),
            )
            for layer in data.layers
            for one in residents(data, layer)
        ],
    )


def _capacity(data: NpuData) -> Iterator[Recommendation]:
    """The capacity that gives most for each byte, of those that are felt at all."""
    sized = [(layer, one) for layer in data.layers for one in residents(data, layer)]
    if not sized:
        return
    felt = [pair for pair in sized if pair[1].gain_pct >= FELT_PCT]
    layer, one = max(
        felt or sized, key=lambda pair: pair[1].gain_pct / max(pair[1].bytes, 1.0)
    )
    l2_bytes = data.profile.device.l2_bytes
    worth = "" if felt else f"none: no part gains {FELT_PCT:g} %; most a byte gives "
    yield advice(
        "On-chip memory",
        f"{worth}{scaled_bytes(one.bytes)} for the {one.part} at {layer.title}, "
        f"{significant(one.bytes / l2_bytes)} times this L2: "
        f"{significant(one.gain_pct)} % less time",
        sensitivity=_best_of_each(sized),
        confidence=of_layers([layer], [Term.HBM, Term.ON_CHIP]),
        labels=one.labels,
    )


def _best_of_each(
    sized: Sequence[tuple[SizedLayer, Resident]],
) -> Iterator[tuple[float, str]]:
    """The size at which each part gains most."""
    for part in Part:
        some = [pair for pair in sized if pair[1].part is part]
        if some:
            layer, one = max(some, key=lambda pair: pair[1].gain_pct)
            words = (
                f"{significant(one.gain_pct)} % less time for "
                f"{scaled_bytes(one.bytes)} of {part}, {layer.title}"
            )
            yield one.gain_pct, words


def _outside(data: NpuData, *, has_counters: bool) -> Iterator[str]:
    if not has_counters:
        yield "Hit rates: this profile has no counters of a call that it timed."
    if not data.layers:
        yield "What has to stay on chip: no point of this profile has a time."
        return
    yield from _other_choices(data)
    name = data.profile.device.name
    yield f"How large L1 should be against L2: {name} has one size of each."
    yield (
        "What stays for a second pass: each capacity above is of one layer, and a "
        f"device that holds {_layers_held(data)} needs so many times as much."
    )


def _other_choices(data: NpuData) -> Iterator[str]:
    """A token chooses experts of its own, so what the last ones chose may not help."""
    sizes = MoeSizes.of(data.model)
    held = [
        (layer, one.bytes)
        for layer in data.layers
        for one in residents(data, layer)
        if one.part is Part.EXPERTS
    ]
    if sizes is None or not held:
        return
    layer, chosen_bytes = min(held, key=lambda pair: pair[1])
    tokens = layer.size.batch_size * layer.size.seq_len
    share = experts_read(sizes, 1, tokens) / sizes.experts
    yield (
        "Whether the next batch chooses the same experts: their gains above take it as "
        f"given. Chosen anew and evenly, {significant(100 * share)} % of what "
        f"{layer.title} reads would be among its last {scaled_bytes(chosen_bytes)}; "
        f"all {sizes.experts} experts are {scaled_bytes(chosen_bytes / share)}."
    )


def _layers_held(data: NpuData) -> str:
    layers = data.model.get("num_hidden_layers")
    return "several" if layers is None else plural(layers, "layer")
