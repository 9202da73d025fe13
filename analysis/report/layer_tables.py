"""The layer as tables: its steps, how it scales, and where its time could be won."""

import math
from collections.abc import Mapping, Sequence

from dsprof.analysis.layer import Headroom, LayerTimes, Part, PartTime
from dsprof.analysis.numerals import MISSING, significant
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.analysis.report.slot_table import op_of, taken_note
from dsprof.analysis.slots import FilledSlot
from dsprof.harness.records import Cache, Call, LayerKind, LayerPath, Phase

LAYER_NAMES = {
    LayerKind.BOTH: "all",
    LayerKind.DENSE: "dense",
    LayerKind.MOE: "MoE",
    LayerKind.FIRST: "layer 0",
    LayerKind.LATER: "all but layer 0",
    LayerKind.ONCE: "once a pass",
}


def layer_table(
    layer: LayerTimes, divided_us: Mapping[Call, float] | None = None
) -> Table:
    """One row a call in order; ``divided_us`` adds the roof of one GPU's part of it."""
    served = layer.path is LayerPath.AS_SERVED
    divided = () if divided_us is None else (">Roof of one part (us)",)
    return Table(
        headings=(
            *(("Step", "Layers") if served else ()),
            "Kernel",
            "Op",
            ">Warm (us)",
            ">Cold (us)",
            ">Roof (us)",
            *divided,
            "Notes",
        ),
        rows=[
            [
                *(_step(entry) if served else ()),
                Code(entry.call.kernel),
                Code(op_of(entry)),
                *(_time(entry.time_us(cache)) for cache in Cache),
                _roof(entry),
                *(
                    ()
                    if divided_us is None
                    else (significant(divided_us.get(entry.call, math.nan)),)
                ),
                "; ".join(filter(None, (taken_note(entry), entry.missing))),
            ]
            for entry in layer.filled
        ],
    )


def layer_scaling_table(layers: Sequence[LayerTimes]) -> Table:
    """A row a size: layer and model times in ms, tokens/s, and what is missing.

    ``≥`` marks a lower bound of a time, ``≤`` the rate that it allows at most.
    """
    parts = [
        part
        for part in Part
        if any(part in layer.parts[cache] for layer in layers for cache in Cache)
    ]
    decode = bool(layers) and layers[0].size.phase is Phase.DECODE
    return Table(
        headings=(
            ">B" if decode else ">S",
            *(f">{_title(part)} {cache} (ms)" for part in parts for cache in Cache),
            *(
                f">Throughput {cache} (tokens/s)"
                for cache in Cache
                if Part.MODEL in parts
            ),
            ">Calls without a time",
        ),
        rows=[_scaling_row(layer, parts, decode=decode) for layer in layers],
    )


def headroom_table(ranked: Sequence[Headroom], shown: int) -> Table:
    """The first calls of a ranking: share of layer time x (1 - roof time / time)."""
    return Table(
        headings=(
            ">Rank",
            "Kernel",
            "Op",
            ">Calls",
            ">Time (us)",
            ">Roof time (us)",
            ">Share of the layer (%)",
            ">1 - spec roof time / time",
            ">Headroom (% of the layer)",
        ),
        rows=[
            [
                str(rank),
                Code(one.entry.call.kernel),
                Code(op_of(one.entry)),
                str(one.calls),
                significant(one.time_us),
                significant(one.roof_us),
                significant(one.share_pct),
                significant(one.above_roof),
                significant(one.headroom_pct),
            ]
            for rank, one in enumerate(ranked[:shown], start=1)
        ],
    )


def part_time(part: PartTime, scale: float = 1.0) -> str:
    """A part's time in us times ``scale``, ``≥`` before it if calls are missing."""
    bound = "≥ " if part.is_lower_bound else ""
    return f"{bound}{significant(part.total_us * scale)}"


def throughput(layer: LayerTimes, cache: Cache) -> str:
    """Tokens/s of the whole model, ``≤`` before it if calls are missing."""
    model = layer.parts[cache].get(Part.MODEL)
    if model is None:
        return MISSING
    bound = "≤ " if model.is_lower_bound else ""
    return f"{bound}{significant(layer.tokens_per_s(cache))}"


def _scaling_row(
    layer: LayerTimes, parts: Sequence[Part], *, decode: bool
) -> list[Cell]:
    size = layer.size
    untimed = {entry.call for entry in layer.filled if entry.missing}
    calls = {entry.call for entry in layer.filled}
    return [
        str(size.batch_size if decode else size.seq_len),
        *(
            part_time(layer.parts[cache][part], 1e-3)
            if part in layer.parts[cache] and layer.parts[cache][part].total_us
            else MISSING
            for part in parts
            for cache in Cache
        ),
        *(throughput(layer, cache) for cache in Cache if Part.MODEL in parts),
        f"{len(untimed)} of {len(calls)}",
    ]


def _title(part: Part) -> str:
    return part[0].upper() + part[1:]


def _step(entry: FilledSlot) -> tuple[Cell, Cell]:
    times = f", {entry.slot.count} times" if entry.slot.count > 1 else ""
    return entry.slot.step, f"{LAYER_NAMES[entry.slot.layer]}{times}"


def _time(time_us: float | None) -> str:
    return MISSING if time_us is None else significant(time_us)


def _roof(entry: FilledSlot) -> str:
    return significant(entry.measurement.roof_time_us) if entry.measurement else MISSING
