"""Section 4: matrix products with few rows, and a unit that only streams weights."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.findings import Finding
from dsprof.analysis.npu.confidence import at_most_medium, of_layers
from dsprof.analysis.npu.counted import counted_calls, weighted_mean
from dsprof.analysis.npu.families import gemv_pct, program_title
from dsprof.analysis.npu.layers import NpuData, SizedCall, SizedLayer
from dsprof.analysis.npu.section import (
    Grid,
    Recommendation,
    Section,
    Topic,
    advice,
    found,
)
from dsprof.analysis.npu.weights import rows_a_weight, tensor_flops_of
from dsprof.analysis.numerals import plural, significant
from dsprof.analysis.whatif.terms import Term
from dsprof.harness.ceiling import Duration, Pattern

if TYPE_CHECKING:
    import pandas as pd

FEW_ROWS = 16  # a tensor core's tile has at least so many
HALF = 0.5
TERA = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit that reads each weight once, at the HBM's pace, and multiplies."""

    bytes_per_s: float  # the stream
    flops_per_s: float

    def call_s(self, call: SizedCall, launch_s: float) -> float:
        """Seconds of one call: its bytes or its FLOP, and one launch."""
        stream = call.terms.hbm_bytes / self.bytes_per_s
        return max(stream, tensor_flops_of(call.row) / self.flops_per_s) + launch_s


def decode_units(data: NpuData) -> Section:
    """Time in products of few rows, what they reach, and what a unit would give."""
    few = [(layer, calls) for layer in data.decode if (calls := few_rows(layer))]
    return Section(
        topic=Topic.DECODE,
        findings=[
            *(_share(data, layer) for layer in data.decode),
            *_programs(data),
        ],
        tables=[_table(data, few)] if few else [],
        recommendations=list(_unit_advice(data, few)) if few else [],
        outside=list(_outside(data)),
    )


def few_rows(layer: SizedLayer) -> list[SizedCall]:
    """The layer's matrix products with at most FEW_ROWS rows a weight."""
    return [
        call
        for call in layer.calls
        if (rows := rows_a_weight(call.row)) is not None and rows <= FEW_ROWS
    ]


def stream_bytes_per_s(data: NpuData) -> float:
    """The measured read ceiling, or the rated rate without one."""
    measured = [
        ceiling.value
        for ceiling in data.profile.ceilings
        if ceiling.pattern is Pattern.HBM_READ
        and ceiling.duration is Duration.SUSTAINED
    ]
    return max(measured, default=data.profile.device.hbm_bytes_per_s)


def unit_for(data: NpuData, calls: list[SizedCall]) -> Unit:
    """The least FLOP/s at which none of these calls waits for arithmetic."""
    stream = stream_bytes_per_s(data)
    needed = [
        tensor_flops_of(call.row) / call.terms.hbm_bytes * stream
        for call in calls
        if call.terms.hbm_bytes
    ]
    return Unit(bytes_per_s=stream, flops_per_s=max(needed, default=0.0))


def saved_s(layer: SizedLayer, calls: list[SizedCall], unit: Unit) -> float:
    """Seconds of the layer that go; a call that is quicker already stays."""
    launch_s = layer.terms.source.launch_latency_s
    return sum(
        call.terms.count * max(call.terms.time_s - unit.call_s(call, launch_s), 0.0)
        for call in calls
    )


def _share(data: NpuData, layer: SizedLayer) -> Finding:
    calls = few_rows(layer)
    if not calls:
        return found(
            layer.title,
            f"no matrix product has at most {FEW_ROWS} rows a weight, of "
            f"{plural(len(layer.calls), 'timed call')}",
        )
    moved = sum(call.terms.count * call.terms.hbm_bytes for call in calls)
    rate = moved / sum(call.time_s for call in calls)
    share = 100 * rate / layer.terms.source.hbm_bytes_per_s
    words = (
        f"{plural(len(calls), 'matrix product')} with at most {FEW_ROWS} rows a weight "
        f"take {significant(layer.share_pct(calls))} % of the time and reach "
        f"{significant(share)} % of the rated HBM rate"
    )
    busy = _tensor_pct(data, layer, calls)
    if not math.isnan(busy):
        words += f"; their tensor pipe is busy {significant(busy)} % of the time"
    return found(layer.title, words, layer.longest(calls))


def _tensor_pct(data: NpuData, layer: SizedLayer, calls: list[SizedCall]) -> float:
    rows: pd.DataFrame = counted_calls(data, layer)
    names = [call.label for call in calls]
    return weighted_mean(rows[rows["name"].isin(names)], "tensor_pipe_pct")


def _programs(data: NpuData) -> Iterator[Finding]:
    for timeline in data.profile.timelines:
        yield found(
            program_title(timeline),
            f"matrix times vector kernels take {significant(gemv_pct(timeline))} % of "
            "the kernel time",
        )


def _table(data: NpuData, few: list[tuple[SizedLayer, list[SizedCall]]]) -> Grid:
    rows = []
    for layer, calls in few:
        unit = unit_for(data, calls)
        saved = saved_s(layer, calls, unit)
        rows.append(
            (
                layer.title,
                f"{len(calls)}",
                significant(layer.share_pct(calls)),
                significant(unit.flops_per_s / TERA),
                significant(saved * 1e6),
                significant(100 * saved / layer.time_s),
            )
        )
    stream = significant(stream_bytes_per_s(data) / TERA)
    return Grid(
        title=(
            f"A unit that streams weights at {stream} TB/s: the least rate at which "
            "arithmetic never holds the stream up, and what it gives"
        ),
        headings=(
            *("Size", ">Products", ">Of the time (%)", ">Needed (TFLOP/s)"),
            *(">Saved (us a layer)", ">Saved (%)"),
        ),
        rows=rows,
    )


def _unit_advice(
    data: NpuData, few: list[tuple[SizedLayer, list[SizedCall]]]
) -> Iterator[Recommendation]:
    calls = [call for _, some in few for call in some]
    unit = unit_for(data, calls)
    if not unit.flops_per_s:
        return
    slower = Unit(bytes_per_s=unit.bytes_per_s, flops_per_s=HALF * unit.flops_per_s)
    fastest = max(data.fits.source.flops_per_s.values(), default=unit.flops_per_s)
    yield advice(
        "A unit for products of few rows",
        f"{significant(unit.flops_per_s / TERA)} TFLOP/s beside a stream of "
        f"{significant(unit.bytes_per_s / TERA)} TB/s, "
        f"{significant(100 * unit.flops_per_s / fastest)} % of the fastest tensor rate",
        sensitivity=_effects(few, unit, slower),
        confidence=at_most_medium(
            of_layers([layer for layer, _ in few], [Term.HBM]),
            f"no unit reaches {significant(unit.bytes_per_s / TERA)} TB/s in calls as "
            "short as these",
        ),
        labels=[label for layer, some in few for label in layer.longest(some)],
    )


def _effects(
    few: list[tuple[SizedLayer, list[SizedCall]]], unit: Unit, slower: Unit
) -> Iterator[tuple[float, str]]:
    for layer, calls in few:
        gain, less = (_gain_pct(layer, calls, one) for one in (unit, slower))
        words = (
            f"{significant(gain)} % less time, {significant(less)} % at half that "
            f"rate, {layer.title}"
        )
        yield gain, words


def _gain_pct(layer: SizedLayer, calls: list[SizedCall], unit: Unit) -> float:
    return 100 * saved_s(layer, calls, unit) / layer.time_s


def _outside(data: NpuData) -> Iterator[str]:
    if not data.decode:
        yield "Products of few rows: no decode point of this profile has a time."
        return
    if not any(len(counted_calls(data, layer)) for layer in data.decode):
        yield (
            "How busy the tensor pipe is in them: this profile has no counters of "
            f"{', '.join(layer.title for layer in data.decode)}."
        )
