"""Section 6: time and bytes by data type, and what smaller weights would give."""

from collections.abc import Iterator
from dataclasses import replace

from dsprof.analysis.findings import Finding
from dsprof.analysis.npu.confidence import at_most_medium, of_layers
from dsprof.analysis.npu.layers import NpuData, SizedCall, SizedLayer
from dsprof.analysis.npu.section import (
    Confidence,
    Grid,
    Level,
    Recommendation,
    Section,
    Topic,
    advice,
    found,
)
from dsprof.analysis.npu.slack import percent
from dsprof.analysis.npu.weights import bytes_of, weight_bytes
from dsprof.analysis.numerals import plural, scaled_bytes, significant
from dsprof.analysis.whatif.project import Machines, layer_seconds
from dsprof.analysis.whatif.terms import CallTerms, Term

HALF = 0.5
CONVERSION = "quant"  # part of the name of a kernel that changes the data type


def precision(data: NpuData) -> Section:
    """Shares by data type, the cost of conversions, and half the weight bytes."""
    weighted = [layer for layer in data.layers if _weighted(layer)]
    return Section(
        topic=Topic.PRECISION,
        findings=[*(_types_finding(layer) for layer in data.layers)],
        tables=[_table(data)] if data.layers else [],
        recommendations=list(_half_advice(weighted, data)) if weighted else [],
        outside=list(_outside(data, weighted)),
    )


def conversions(layer: SizedLayer) -> list[SizedCall]:
    """Calls that only change the data type, told by the kernel's name."""
    return [call for call in layer.calls if CONVERSION in call.terms.kernel]


def with_smaller_weights(
    layer: SizedLayer, *, weights: float, tensor_rate: float = 1.0
) -> float:
    """Seconds of the layer if its weights had that share of their bytes.

    ``tensor_rate`` is how many times the tensor FLOP/s that type runs at. What
    unpacking costs is not in it.
    """
    calls = tuple(_smaller(call, weights, tensor_rate) for call in layer.calls)
    changed = replace(layer.terms, calls=calls)
    return float(layer_seconds(changed, Machines.of(layer.terms.source)))


def _smaller(call: SizedCall, weights: float, tensor_rate: float) -> CallTerms:
    terms, own = call.terms, weight_bytes(call.row)
    if not own or not terms.hbm_bytes:
        return terms
    left = 1 - (1 - weights) * min(own / terms.hbm_bytes, 1.0)
    return replace(
        terms,
        hbm_s=terms.hbm_s * left,
        on_chip_s=terms.on_chip_s * left,
        tensor_s={path: one / tensor_rate for path, one in terms.tensor_s.items()},
    )


def _weighted(layer: SizedLayer) -> list[SizedCall]:
    return [call for call in layer.calls if weight_bytes(call.row)]


def _by_type(layer: SizedLayer) -> dict[str, list[SizedCall]]:
    """The calls by data type, the type with the most time first."""
    types: dict[str, list[SizedCall]] = {}
    for call in layer.calls:
        types.setdefault(call.row.dtype or "not recorded", []).append(call)
    return dict(sorted(types.items(), key=lambda one: -layer.share_pct(one[1])))


def _types_finding(layer: SizedLayer) -> Finding:
    moved = sum(call.terms.count * call.row.total_bytes for call in layer.calls)
    words = []
    for dtype, calls in _by_type(layer).items():
        own = sum(call.terms.count * call.row.total_bytes for call in calls)
        share = 100 * own / moved if moved else 0.0
        words.append(
            f"{dtype} {significant(layer.share_pct(calls))} % of the time and "
            f"{significant(share)} % of the bytes"
        )
    detail = "; ".join(words)
    changing = conversions(layer)
    if changing:
        count = round(sum(call.terms.count for call in changing))
        detail += (
            f"; {plural(count, 'conversion')} between types "
            f"{significant(layer.share_pct(changing))} % of the time"
        )
    return found(layer.title, detail, layer.longest(changing or layer.calls))


def _table(data: NpuData) -> Grid:
    return Grid(
        title="Data types of each size: calls, time, compulsory bytes, and weights",
        headings=(
            *("Size", "Type", ">Calls", ">Time (us)", ">Bytes", ">Weights"),
            ">Bytes a number",
        ),
        rows=[
            (
                layer.title,
                dtype,
                significant(sum(call.terms.count for call in calls)),
                significant(1e6 * sum(call.time_s for call in calls)),
                scaled_bytes(
                    sum(call.terms.count * call.row.total_bytes for call in calls)
                ),
                scaled_bytes(
                    sum(call.terms.count * weight_bytes(call.row) for call in calls)
                ),
                "not known" if (size := bytes_of(dtype)) is None else f"{size:g}",
            )
            for layer in data.layers
            for dtype, calls in _by_type(layer).items()
        ],
    )


def _half_advice(layers: list[SizedLayer], data: NpuData) -> Iterator[Recommendation]:
    gains = {layer.title: _gain_pct(layer) for layer in layers}
    best = max(layers, key=lambda layer: gains[layer.title])
    weights = sum(call.terms.count * weight_bytes(call.row) for call in _weighted(best))
    base = of_layers(layers, [Term.HBM, Term.ON_CHIP], missing=len(data.missing))
    yield advice(
        "Half the bytes a weight",
        f"{significant(gains[best.title])} % less time at {best.title}, whose weights "
        f"are {scaled_bytes(weights)} a layer",
        sensitivity=_effects(layers),
        confidence=at_most_medium(
            base,
            f"no kernel with half of {scaled_bytes(weights)} of weights ran, and what "
            "unpacking them costs is not measured",
        ),
        labels=best.longest(_weighted(best)),
    )
    changing = [layer for layer in layers if conversions(layer)]
    if changing:
        most = max(changing, key=lambda layer: layer.share_pct(conversions(layer)))
        yield advice(
            "Conversions inside the matrix unit",
            f"at most {significant(most.share_pct(conversions(most)))} % less time at "
            f"{most.title}",
            sensitivity=[
                (
                    share := layer.share_pct(conversions(layer)),
                    (
                        f"{significant(share)} % less time if they took none, "
                        f"{layer.title}"
                    ),
                )
                for layer in changing
            ],
            confidence=Confidence(
                level=Level.HIGH,
                reason="an upper bound out of measured times alone: "
                f"{len(conversions(most))} ops, each timed",
            ),
            labels=most.longest(conversions(most)),
        )


def _effects(layers: list[SizedLayer]) -> Iterator[tuple[float, str]]:
    for layer in layers:
        gain, both = _gain_pct(layer), _gain_pct(layer, tensor_rate=2.0)
        words = (
            f"{significant(gain)} % less time, {significant(both)} % with twice the "
            f"tensor rate too, {layer.title}"
        )
        yield gain, words


def _gain_pct(layer: SizedLayer, tensor_rate: float = 1.0) -> float:
    seconds = with_smaller_weights(layer, weights=HALF, tensor_rate=tensor_rate)
    return percent(1 - seconds / layer.time_s)


def _outside(data: NpuData, weighted: list[SizedLayer]) -> Iterator[str]:
    if not data.layers:
        yield "Time by data type: no point of this profile has a time."
    elif not weighted:
        yield (
            "What smaller weights give: none of the timed kernels "
            f"({', '.join(_kernels(data))}) is a matrix product with a known type."
        )
    else:
        known = sorted({dtype for layer in data.layers for dtype in _by_type(layer)})
        yield (
            "What a type costs in accuracy, and how fast any type but "
            f"{', '.join(known)} runs: this profile has no other."
        )


def _kernels(data: NpuData) -> list[str]:
    return list(
        dict.fromkeys(
            call.terms.kernel for layer in data.layers for call in layer.calls
        )
    )[:4]
