"""Joules a token of a layer, as the energy of the measured roofs has it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from dsprof.analysis.findings import Finding
from dsprof.analysis.npu.energy import (
    PICO,
    EnergyModel,
    SampledPower,
    constant_error_pct,
    model_error_pct,
    sampled,
)
from dsprof.analysis.npu.layers import NpuData, SizedLayer
from dsprof.analysis.npu.section import (
    Confidence,
    Grid,
    Level,
    Recommendation,
    advice,
    found,
)
from dsprof.analysis.numerals import plural, significant

HALF = 0.5
STATIC = "static"
MEDIUM_ERROR_PCT = 15.0


def token_parts_j(layer: SizedLayer, model: EnergyModel) -> dict[str, float]:
    """Joules of a token in this layer, by cause, as the model of the roofs has it."""
    parts: dict[str, float] = {}
    for call in layer.calls:
        terms = call.terms
        one = model.parts_j(terms.time_s, terms.hbm_bytes, terms.flops)
        for cause, joules in one.items():
            parts[cause] = parts.get(cause, 0.0) + terms.count * joules
    return {cause: joules / layer.terms.tokens for cause, joules in parts.items()}


def token_finding(layer: SizedLayer, model: EnergyModel) -> Finding:
    parts = token_parts_j(layer, model)
    total = sum(parts.values())
    words = ", ".join(
        f"{cause} {significant(100 * joules / total)} %"
        for cause, joules in sorted(parts.items(), key=lambda one: -one[1])
    )
    return found(
        f"{layer.title}, modelled",
        f"{significant(total)} J a token and layer: {words}; "
        f"{significant(1 / total)} tokens and layers a joule",
        layer.longest(),
    )


def token_table(data: NpuData, model: EnergyModel) -> Grid:
    rows = []
    own = {one.row.point.label for one in sampled(data.profile)}
    for layer in data.layers:
        parts = token_parts_j(layer, model)
        read = [call for call in layer.calls if call.label in own]
        rows.append(
            (
                layer.title,
                *(significant(1000 * joules) for joules in parts.values()),
                significant(1000 * sum(parts.values())),
                significant(sum(parts.values()) * layer.terms.tokens / layer.time_s),
                significant(layer.share_pct(read)),
            )
        )
    return Grid(
        title=(
            "Energy of a token in one layer (mJ), modelled: least power x time, and "
            "the measured roofs' energy for each byte of HBM and each FLOP"
        ),
        headings=(
            *("Size", ">Static", ">HBM", ">Arithmetic", ">Sum (mJ)"),
            *(">Mean power (W)", ">Time in calls with a reading (%)"),
        ),
        rows=rows,
    )


def part_advice(
    data: NpuData, model: EnergyModel, points: Sequence[SampledPower]
) -> Iterator[Recommendation]:
    for phase, layers in (("decode", data.decode), ("prefill", data.prefill)):
        if not layers:
            continue
        layer = layers[-1]
        parts = token_parts_j(layer, model)
        total = sum(parts.values())
        cause = max(parts, key=parts.__getitem__)
        yield advice(
            f"Energy of {phase}",
            f"{cause} first: {significant(100 * parts[cause] / total)} % of "
            f"{significant(1000 * total)} mJ a token and layer at {layer.title} "
            f"({_unit(cause, model)})",
            sensitivity=_effects(layers, model, cause),
            confidence=_confidence(model, points),
            labels=layer.longest(),
        )


def _unit(cause: str, model: EnergyModel) -> str:
    if cause == "HBM":
        return f"{significant(model.hbm_j / PICO)} pJ a byte"
    if cause == "static":
        return f"{significant(model.static_w)} W"
    return ", ".join(
        f"{path} {significant(joules / PICO)} pJ a FLOP"
        for path, joules in model.flop_j.items()
    )


def _effects(
    layers: Sequence[SizedLayer], model: EnergyModel, cause: str
) -> Iterator[tuple[float, str]]:
    for layer in layers:
        saved, static = (_saved_pct(layer, model, one) for one in (cause, STATIC))
        words = (
            f"{significant(saved)} % less energy with half of that, "
            f"{significant(static)} % with half the static power, {layer.title}"
        )
        yield saved, words


def _saved_pct(layer: SizedLayer, model: EnergyModel, cause: str) -> float:
    changes = {
        "static": replace(model, static_w=HALF * model.static_w),
        "HBM": replace(model, hbm_j=HALF * model.hbm_j),
    }
    cheaper = replace(
        model, flop_j={path: HALF * one for path, one in model.flop_j.items()}
    )
    total = sum(token_parts_j(layer, model).values())
    changed = sum(token_parts_j(layer, changes.get(cause, cheaper)).values())
    return 100 * (1 - changed / total)


def _confidence(model: EnergyModel, points: Sequence[SampledPower]) -> Confidence:
    if not points:
        return Confidence(
            level=Level.LOW,
            reason=f"{len(points)} points have a power reading of their own to hold "
            "the model against",
        )
    error, constant = model_error_pct(model, points), constant_error_pct(points)
    better = error < constant and error <= MEDIUM_ERROR_PCT
    return Confidence(
        level=Level.MEDIUM if better else Level.LOW,
        reason=f"the model is off by {significant(error)} % on the power of "
        f"{plural(len(points), 'point')} that were long enough, where one power for "
        f"all is off by {significant(constant)} %",
    )
