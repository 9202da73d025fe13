"""Section 1: which unit limits the layer's time, and how much of each it needs."""

from collections.abc import Iterator, Mapping

from dsprof.analysis.findings import Finding
from dsprof.analysis.npu.confidence import name_of, not_identified_pct, of_layers
from dsprof.analysis.npu.families import family_findings
from dsprof.analysis.npu.layers import NpuData, SizedCall, SizedLayer
from dsprof.analysis.npu.section import (
    Grid,
    Recommendation,
    Section,
    Topic,
    advice,
    found,
)
from dsprof.analysis.npu.slack import LEAST, LOSS_PCT, least_scale, slowdown_pct
from dsprof.analysis.numerals import plural, rated, significant
from dsprof.analysis.whatif.resource import Resource, value_of
from dsprof.analysis.whatif.terms import CallTerms, Term

TENSOR = (Resource.FP4, Resource.FP8, Resource.BF16)
VECTOR = (Resource.VECTOR,)
HALF = 0.5


def compute_balance(data: NpuData) -> Section:
    """Shares of layer time by limiting term, and the rates that would balance."""
    return Section(
        topic=Topic.BALANCE,
        findings=[
            *(_shares_finding(layer) for layer in data.layers),
            *family_findings(data.profile),
        ],
        tables=[_table(data)] if data.layers else [],
        recommendations=list(_rates(data)) if data.layers else [],
        outside=list(_outside(data)),
    )


def limiting_seconds(layer: SizedLayer) -> Mapping[Term, float]:
    """Seconds of a layer by what limits them; the fixed part of a call is its own."""
    seconds = dict.fromkeys(Term, 0.0)
    for call in layer.calls:
        terms = call.terms
        seconds[Term.FIXED] += terms.count * terms.fixed_s
        seconds[limiter(terms)] += terms.count * (terms.time_s - terms.fixed_s)
    return seconds


def limiter(call: CallTerms) -> Term:
    """The longest of a call's terms but the fixed one, on its own machine."""
    seconds = {
        Term.TENSOR: max(call.tensor_s.values(), default=0.0),
        Term.VECTOR: call.vector_s,
        Term.HBM: call.hbm_s,
        Term.ON_CHIP: call.on_chip_s,
    }
    return max(seconds, key=seconds.__getitem__)


def limited_by(layer: SizedLayer, term: Term) -> list[SizedCall]:
    """The calls whose longest term it is; for the fixed term, those it is most of."""
    if term is Term.FIXED:
        return [one for one in layer.calls if one.terms.fixed_s > one.terms.time_s / 2]
    return [one for one in layer.calls if limiter(one.terms) is term]


def shares_pct(layer: SizedLayer) -> dict[Term, float]:
    return {
        term: 100 * seconds / layer.time_s
        for term, seconds in limiting_seconds(layer).items()
    }


def _shares_finding(layer: SizedLayer) -> Finding:
    shares = shares_pct(layer)
    order = sorted(shares, key=lambda term: -shares[term])
    words = ", ".join(
        f"{name_of(term)} {significant(shares[term])} %" for term in order
    )
    return found(
        layer.title,
        f"{significant(layer.time_s * 1e6)} us a layer, limited by: {words}",
        layer.longest(limited_by(layer, order[0])),
    )


def _table(data: NpuData) -> Grid:
    rows = []
    for layer in data.layers:
        shares = shares_pct(layer)
        rows.append(
            (
                layer.title,
                significant(layer.time_s * 1e6),
                *(significant(shares[term]) for term in Term),
                *(_least(layer, group) for group in (TENSOR, VECTOR)),
            )
        )
    return Grid(
        title=(
            "Share of the layer's time by what limits it (%), and the least rates of "
            f"the source's (%) that cost at most {LOSS_PCT:g} % more time"
        ),
        headings=(
            *("Size", ">Layer (us)", *(f">{name_of(term)}" for term in Term)),
            *(">Tensor needed", ">Vector needed"),
        ),
        rows=rows,
    )


def _least(layer: SizedLayer, group: tuple[Resource, ...]) -> str:
    scale = least_scale(layer.terms, group)
    share = significant(100 * scale)
    return f"under {share}" if scale == LEAST else share


def _rates(data: NpuData) -> Iterator[Recommendation]:
    scales = {
        layer.title: least_scale(layer.terms, TENSOR)
        for layer in data.layers
        if any(call.terms.tensor_s for call in layer.calls)
    }
    if scales:
        deciding = max(scales, key=scales.__getitem__)
        yield _tensor(data, scales[deciding], deciding)
    if any(call.terms.vector_s for layer in data.layers for call in layer.calls):
        yield _vector(data, max(scales.values(), default=1.0))


def _tensor(data: NpuData, scale: float, deciding: str) -> Recommendation:
    source = data.layers[0].terms.source
    rates = ", ".join(
        f"{resource.label} {rated(value * scale / 1e12)} TFLOP/s"
        for resource in TENSOR
        if (value := value_of(source, resource)) is not None
    )
    decode = [least_scale(layer.terms, TENSOR) for layer in data.decode]
    most = max(decode, default=scale)
    alone = f"; decode alone needs {significant(100 * most)} %" if most < scale else ""
    return advice(
        "Tensor rates",
        f"{significant(100 * scale)} % of {source.name}'s ({rates}), decided by "
        f"{deciding}{alone}",
        sensitivity=_effects(data, TENSOR),
        confidence=of_layers(data.layers, [Term.TENSOR], missing=len(data.missing)),
        labels=[
            label
            for layer in data.layers
            if layer.title == deciding
            for label in _by_term(layer, Term.TENSOR)
        ],
    )


def _vector(data: NpuData, tensor_scale: float) -> Recommendation:
    source = data.layers[0].terms.source
    scale = max(least_scale(layer.terms, VECTOR) for layer in data.layers)
    vector = value_of(source, Resource.VECTOR) or 0.0
    tensor = max((value_of(source, one) or 0.0 for one in TENSOR), default=0.0)
    at_most = "at most " if scale == LEAST else ""
    ratio = ""
    if vector and tensor:
        balanced = tensor * tensor_scale / (vector * scale)
        ratio = (
            f"; one vector FLOP for {significant(balanced)} tensor FLOP of the "
            f"fastest type, against {significant(tensor / vector)} here"
        )
    return advice(
        "Vector rate",
        f"{at_most}{significant(100 * scale)} % of {source.name}'s "
        f"({rated(vector * scale / 1e12)} TFLOP/s){ratio}",
        sensitivity=_effects(data, VECTOR),
        confidence=of_layers(data.layers, [Term.VECTOR], missing=len(data.missing)),
        labels=[
            label for layer in data.layers for label in _by_term(layer, Term.VECTOR)
        ],
    )


def _by_term(layer: SizedLayer, term: Term) -> list[str]:
    """Labels of the calls that ask for tensor or vector work, the longest first."""

    def seconds(call: SizedCall) -> float:
        terms = call.terms
        one = max(terms.tensor_s.values(), default=0.0)
        return terms.count * (one if term is Term.TENSOR else terms.vector_s)

    some = [call for call in layer.calls if seconds(call)]
    return [call.label for call in sorted(some, key=seconds, reverse=True)]


def _effects(data: NpuData, group: tuple[Resource, ...]) -> Iterator[tuple[float, str]]:
    for layer in data.layers:
        slower = slowdown_pct(layer.terms, group, HALF)
        yield slower, f"{significant(slower)} % more time at half, {layer.title}"


def _outside(data: NpuData) -> Iterator[str]:
    if not data.layers:
        yield "Which unit limits the layer: no point of this profile has a time."
        return
    unknown = not_identified_pct(data.layers, Term.VECTOR)
    kernels = {
        call.terms.kernel
        for layer in data.layers
        for call in layer.calls
        if Term.VECTOR in call.terms.not_identified
    }
    if kernels:
        yield (
            f"What {plural(len(kernels), 'kernel')} with {significant(unknown)} % of "
            "the time reach of the vector rate: no size of the sweep is limited by it, "
            "so the model takes the rated one. Scaling and softmax inside matrix "
            "products are vector work that the analytic FLOP do not count. Both make "
            "the vector rate above a lower bound."
        )
