"""Section 5: small calls between the large ones, and what fusing them would save."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dsprof.analysis.findings import Finding
from dsprof.analysis.npu.confidence import at_most_medium, of_layers
from dsprof.analysis.npu.families import fusable_findings
from dsprof.analysis.npu.layers import NpuData, SizedCall, SizedLayer
from dsprof.analysis.npu.section import (
    Grid,
    Recommendation,
    Section,
    Topic,
    advice,
    found,
)
from dsprof.analysis.numerals import plural, scaled_bytes, significant
from dsprof.analysis.whatif.terms import Term

HALF = 0.5
SHOWN_PAIRS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """A small call that its predecessor in the layer could do as well.

    ``bytes_between`` is what the one writes and the other reads: at most the smaller
    of the two.
    """

    call: SizedCall
    before: SizedCall
    bytes_between: float

    @property
    def launches(self) -> float:
        return self.call.terms.count * self.call.terms.fixed_launches

    @property
    def saved_s(self) -> float:
        """Its fixed part, and its HBM time on the bytes that need not move.

        Its own input is such a byte twice: once written before, once read here; only
        what it reads is part of its time.
        """
        terms = self.call.terms
        moving = terms.time_s - terms.fixed_s
        spared = self.bytes_between / terms.hbm_bytes if terms.hbm_bytes else 0.0
        return terms.count * (terms.fixed_s + moving * min(spared, 1.0))


def fusion(data: NpuData) -> Section:
    """Time of the small calls, bytes between neighbours, launches that go."""
    return Section(
        topic=Topic.FUSION,
        findings=[
            *(_small_finding(layer) for layer in data.layers),
            *fusable_findings(data.profile),
        ],
        tables=[
            _table(layer, pairs) for layer in data.layers if (pairs := fusable(layer))
        ],
        recommendations=list(_fuse_advice(data)),
        outside=list(_outside(data)),
    )


def small_calls(layer: SizedLayer) -> list[SizedCall]:
    """Calls without tensor work: norms, activations, rotations, casts, shuffles."""
    return [call for call in layer.calls if not call.terms.tensor_s]


def fusable(layer: SizedLayer) -> list[Fused]:
    """Each small call behind another one, whichever that is."""
    small = {id(call) for call in small_calls(layer)}
    return [
        Fused(
            call=call,
            before=before,
            bytes_between=float(min(before.row.bytes_written, call.row.bytes_read)),
        )
        for before, call in zip(layer.calls, layer.calls[1:], strict=False)
        if id(call) in small
    ]


def _small_finding(layer: SizedLayer) -> Finding:
    small = small_calls(layer)
    count = round(sum(call.terms.count for call in small))
    fixed = sum(call.terms.count * call.terms.fixed_s for call in small)
    total = sum(call.time_s for call in small)
    if not small:
        return found(
            layer.title,
            f"each of its {plural(len(layer.calls), 'timed call')} has tensor work",
        )
    return found(
        layer.title,
        f"{plural(count, 'call')} without tensor work take "
        f"{significant(layer.share_pct(small))} % of the time, "
        f"{significant(total * 1e6)} us, of which {significant(fixed * 1e6)} us are "
        f"fixed{_warm_words(small)}",
        layer.longest(small),
    )


def _warm_words(small: Sequence[SizedCall]) -> str:
    if any(call.row.warm is None for call in small):
        return ""
    warm = sum(
        call.terms.count * call.row.warm.median_us
        for call in small
        if call.row.warm is not None
    )
    return f"; with a warm L2 they take {significant(warm)} us"


def _table(layer: SizedLayer, pairs: Sequence[Fused]) -> Grid:
    ordered = sorted(pairs, key=lambda one: -one.saved_s)[:SHOWN_PAIRS]
    return Grid(
        title=(
            f"{layer.title}: what a small call saves if the one before it does it "
            f"too, the {len(ordered)} that save most of {len(pairs)}"
        ),
        headings=(
            *("Call", "Into", ">Time (us)", ">Bytes between"),
            *(">Launches", ">Saved (us)"),
        ),
        rows=[
            (
                f"{one.call.terms.kernel} {one.call.terms.op}",
                f"{one.before.terms.kernel} {one.before.terms.op}",
                significant(one.call.time_s * 1e6),
                scaled_bytes(one.bytes_between),
                f"{one.launches:,g}",
                significant(one.saved_s * 1e6),
            )
            for one in ordered
        ],
    )


def _fuse_advice(data: NpuData) -> Iterator[Recommendation]:
    layers = [layer for layer in data.layers if fusable(layer)]
    if not layers:
        return
    most = max(layers, key=_saved_pct)
    pairs = sorted(fusable(most), key=lambda one: -one.saved_s)
    launches = sum(one.launches for one in pairs)
    between = sum(one.call.terms.count * one.bytes_between for one in pairs)
    saved = sum(one.saved_s for one in pairs)
    yield advice(
        "Fusion into the call before",
        f"{_launch_words(launches)} and {scaled_bytes(between)} between calls "
        f"fewer a layer at {most.title}: {significant(saved * 1e6)} us, "
        f"{significant(_saved_pct(most))} % of the layer"
        f"{_warm_words([one.call for one in pairs])}",
        sensitivity=_effects(layers),
        confidence=at_most_medium(
            of_layers(layers, [Term.FIXED], missing=len(data.missing)),
            f"none of these {len(pairs)} pairs ran as one kernel",
        ),
        labels=[one.call.label for one in pairs],
    )


def _effects(layers: Sequence[SizedLayer]) -> Iterator[tuple[float, str]]:
    for layer in layers:
        saved, half = _saved_pct(layer), _saved_pct(layer, HALF)
        words = (
            f"{significant(saved)} % less time for all, {significant(half)} % for the "
            f"half of them that saves most, {layer.title}"
        )
        yield saved, words


def _launch_words(launches: float) -> str:
    return f"{launches:,g} launch" + ("es" if launches != 1 else "")


def _saved_pct(layer: SizedLayer, share: float = 1.0) -> float:
    """Percent of the layer's time, for that share of the calls, the best first."""
    saved = sorted((one.saved_s for one in fusable(layer)), reverse=True)
    return 100 * sum(saved[: round(share * len(saved))]) / layer.time_s


def _outside(data: NpuData) -> Iterator[str]:
    layers = [layer for layer in data.layers if fusable(layer)]
    if not data.layers:
        yield "What fusion saves: no point of this profile has a time."
    elif not layers:
        yield (
            "What fusion saves: no timed call without tensor work follows another one."
        )
    else:
        count = len({one.call.terms.kernel for one in fusable(layers[0])})
        yield (
            f"Which of these {plural(count, 'kernel')} a compiler could fuse: bytes "
            "between calls are the smaller of what one writes and the next one reads, "
            "as if the whole of it were handed on."
        )
