"""Section 2: how much HBM bandwidth a layer uses, and where more stops paying."""

from collections.abc import Iterator

from dsprof.analysis.findings import Finding
from dsprof.analysis.npu.compute_balance import limited_by, shares_pct
from dsprof.analysis.npu.confidence import of_layers
from dsprof.analysis.npu.layers import NpuData, SizedLayer
from dsprof.analysis.npu.section import (
    Grid,
    Recommendation,
    Section,
    Topic,
    advice,
    found,
)
from dsprof.analysis.npu.slack import LEAST, LOSS_PCT, least_scale, slowdown_pct
from dsprof.analysis.numerals import rated, significant
from dsprof.analysis.whatif.knee import MARGINAL_GAIN, knee
from dsprof.analysis.whatif.resource import Resource
from dsprof.analysis.whatif.sensitivity import sensitivity
from dsprof.analysis.whatif.terms import Term
from dsprof.harness.ceiling import Duration, Pattern

HBM = (Resource.BANDWIDTH,)
HALF, DOUBLE = 0.5, 2.0
TERA = 1e12


def bandwidth(data: NpuData) -> Section:
    """Achieved bytes per second of each layer, and the knee of each."""
    return Section(
        topic=Topic.BANDWIDTH,
        findings=[*(_used(layer) for layer in data.layers), *_ceiling(data)],
        tables=[_table(data)] if data.layers else [],
        recommendations=list(_knees(data)),
        outside=list(_outside(data)),
    )


def bytes_per_s(layer: SizedLayer) -> float:
    """Bytes that go to HBM over the layer's time."""
    moved = sum(call.terms.count * call.terms.hbm_bytes for call in layer.calls)
    return moved / layer.time_s


def knee_bytes_per_s(layer: SizedLayer) -> float | None:
    """Where 1 % more bandwidth gains less than a tenth of a percent; None if never.

    0 for a layer that gains less than that at any bandwidth.
    """
    found_knee = knee(layer.terms)
    if found_knee is None:
        return None
    return 0.0 if found_knee.is_below_gain else found_knee.value


def _used(layer: SizedLayer) -> Finding:
    rate = bytes_per_s(layer)
    share = 100 * rate / layer.terms.source.hbm_bytes_per_s
    shares = shares_pct(layer)
    return found(
        layer.title,
        f"{significant(rate / TERA)} TB/s over the whole layer, {significant(share)} % "
        f"of the rated rate; HBM limits {significant(shares[Term.HBM])} % of the time; "
        f"{significant(shares[Term.FIXED])} % is fixed, which no bandwidth shortens",
        layer.longest(limited_by(layer, Term.HBM)),
    )


def _ceiling(data: NpuData) -> Iterator[Finding]:
    for ceiling in data.profile.ceilings:
        if (ceiling.pattern, ceiling.duration) == (
            Pattern.HBM_READ,
            Duration.SUSTAINED,
        ):
            share = 100 * ceiling.value / data.profile.device.hbm_bytes_per_s
            yield found(
                "Measured read ceiling",
                f"{significant(ceiling.value / TERA)} TB/s, {significant(share)} % of "
                f"the rated rate, held for {significant(ceiling.seconds)} s",
            )


def _knee_words(layer: SizedLayer) -> str:
    value = knee_bytes_per_s(layer)
    if value is None:
        return "none"
    return significant(value / TERA) if value else "never felt"


def _least(layer: SizedLayer) -> str:
    scale = least_scale(layer.terms, HBM)
    words = significant(scale * layer.terms.source.hbm_bytes_per_s / TERA)
    return f"under {words}" if scale == LEAST else words


def _table(data: NpuData) -> Grid:
    return Grid(
        title=(
            "HBM bandwidth of each size (TB/s): what it uses, the least that costs at "
            f"most {LOSS_PCT:g} % more time, and the knee, beyond which 1 % more takes "
            f"less than {MARGINAL_GAIN:g} % off the time; the elasticity is that of "
            "the time on this GPU"
        ),
        headings=(
            *("Size", ">Used", ">Least", ">Knee"),
            *(">Time at half (%)", ">Time at double (%)", ">Elasticity"),
        ),
        rows=[
            (
                layer.title,
                significant(bytes_per_s(layer) / TERA),
                _least(layer),
                _knee_words(layer),
                significant(100 + slowdown_pct(layer.terms, HBM, HALF)),
                significant(100 + slowdown_pct(layer.terms, HBM, DOUBLE)),
                significant(sensitivity(layer.terms).of(Resource.BANDWIDTH).above),
            )
            for layer in data.layers
        ],
    )


def _knees(data: NpuData) -> Iterator[Recommendation]:
    for phase, layers in (("decode", data.decode), ("prefill", data.prefill)):
        if not layers:
            continue
        source = layers[0].terms.source
        deciding = max(layers, key=lambda one: knee_bytes_per_s(one) or 0.0)
        best = knee_bytes_per_s(deciding)
        floor = max(least_scale(layer.terms, HBM) for layer in layers)
        pays = (
            f"more pays up to {rated(best / TERA)} TB/s ({deciding.title})"
            if best
            else f"more pays little at any of {len(layers)} sizes"
        )
        yield advice(
            f"Bandwidth for {phase}",
            f"{pays}; {rated(floor * source.hbm_bytes_per_s / TERA)} TB/s cost at most "
            f"{LOSS_PCT:g} % of time at each size, against {source.name}'s "
            f"{rated(source.hbm_bytes_per_s / TERA)} TB/s",
            sensitivity=_effects(layers),
            confidence=of_layers(layers, [Term.HBM], missing=len(data.missing)),
            labels=deciding.longest(limited_by(deciding, Term.HBM)),
        )


def _effects(layers: list[SizedLayer]) -> Iterator[tuple[float, str]]:
    for layer in layers:
        half = slowdown_pct(layer.terms, HBM, HALF)
        double = -slowdown_pct(layer.terms, HBM, DOUBLE)
        words = (
            f"{significant(half)} % more time at half and {significant(double)} % "
            f"less at double, {layer.title}"
        )
        yield half, words


def _outside(data: NpuData) -> Iterator[str]:
    if not data.layers:
        yield "What bandwidth a layer needs: no point of this profile has a time."
        return
    latency = data.fits.source.hbm_latency_s
    fixed = max(shares_pct(layer)[Term.FIXED] for layer in data.layers)
    yield (
        f"What a shorter HBM latency gives: it is part of the fixed times, up to "
        f"{significant(fixed)} % of a layer, with launches and dependent steps; the "
        f"profile bounds one miss by {significant(latency * 1e6)} us and no more."
    )
