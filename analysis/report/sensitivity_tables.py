"""Elasticities, knees, balances and resident sets as tables."""

from collections.abc import Sequence

from dsprof.analysis.numerals import MISSING, rated, scaled_bytes, significant
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.analysis.whatif.balance import SHARES, Balance, BalancePoint
from dsprof.analysis.whatif.knee import Knee
from dsprof.analysis.whatif.resident_sets import LayerSets
from dsprof.analysis.whatif.resource import Resource, amount
from dsprof.analysis.whatif.sensitivity import Elasticity, Evidence, Sensitivity
from dsprof.analysis.whatif.size_words import size_words

SHOWN_CALLS = 3
LEAST_SHOWN = 0.0005  # 0.000 at three decimals
LEAST_CHANGE_PCT = 0.05  # 0.0 at one decimal
NOT_REACHED = "*"
CAPACITY_ROWS = "the HBM traffic of every call"


def elasticity_table(found: Sensitivity) -> Table:
    """A row a resource, the one that moves the time most first.

    Calls whose term the kernel's sweep never reached are marked with a star.
    """
    return Table(
        headings=(
            "Resource",
            ">Here",
            ">Elasticity of time",
            ">Mean",
            ">Of tokens/s",
            ">Half of it (%)",
            ">Twice (%)",
            "Calls behind it (% of the layer)",
        ),
        rows=[_elasticity_row(one) for one in found.ranked],
    )


def _elasticity_row(one: Elasticity) -> list[Cell]:
    if one.value is None:
        return [one.resource.label, "none", *[MISSING] * 5, "the machine lacks it"]
    return [
        one.resource.label,
        amount(one.resource, one.value),
        _sides(one.below, one.above),
        _plain(one.central),
        _sides(-one.below, -one.above),
        _change(one.half_pct),
        _change(one.double_pct),
        CAPACITY_ROWS
        if one.resource is Resource.ON_CHIP_CAPACITY
        else evidence_words(one.evidence),
    ]


def _sides(below: float, above: float) -> str:
    """One value, or both where they differ: for less / for more."""
    words = _plain(below), _plain(above)
    return words[0] if words[0] == words[1] else " / ".join(words)


def _plain(value: float) -> str:
    return f"{value:+.3f}" if abs(value) >= LEAST_SHOWN else "0"


def _change(change_pct: float) -> str:
    return f"{change_pct:+.1f}" if abs(change_pct) >= LEAST_CHANGE_PCT else "0"


def evidence_words(evidence: Sequence[Evidence], shown: int = SHOWN_CALLS) -> str:
    """The longest calls with their part of the layer's time."""
    words = [
        f"{one.kernel} {one.op}{'' if one.is_identified else NOT_REACHED} "
        f"({significant(one.share_pct, 2)})"
        for one in evidence[:shown]
    ]
    more = len(evidence) - shown
    return ", ".join(words) + (f" and {more} more" if more > 0 else "")


def knee_table(knees: Sequence[Knee]) -> Table:
    """A row a layer and resource that limits anything there; others are left out."""
    return Table(
        headings=(
            "Layer",
            "Resource",
            ">Here",
            ">Part of the time that it limits (%)",
            ">Knee",
            ">Time there (ms)",
            "Then limits (% of the time)",
        ),
        rows=[
            [
                size_words(one.layer),
                one.resource.label,
                amount(one.resource, one.own_value),
                significant(100 * one.own_share),
                _knee_words(one),
                MISSING if one.time_s is None else significant(one.time_s * 1e3),
                _next_words(one),
            ]
            for one in knees
            if not one.is_below_gain
        ],
    )


def _knee_words(one: Knee) -> str:
    return "none" if one.value is None else amount(one.resource, one.value)


def _next_words(one: Knee) -> str:
    if one.next_limit is None:
        return MISSING
    return f"{one.next_limit.label} ({significant(100 * one.next_share, 2)})"


def balance_table(found: Sequence[Balance]) -> Table:
    """A row a layer: balanced time here, and the machine balance for more of it."""
    return Table(
        headings=(
            "Layer",
            "Datapath",
            ">Here (FLOP/byte)",
            ">Balanced here (% of the time)",
            *(
                heading
                for share in SHARES
                for heading in (
                    f">For {100 * share:g} % (FLOP/byte)",
                    f">HBM for {100 * share:g} % (TB/s)",
                )
            ),
        ),
        rows=[
            [
                size_words(one.layer),
                Code(one.datapath),
                rated(one.source_flop_per_byte),
                significant(100 * one.source_share),
                *(cell for point in one.points for cell in _point_cells(point)),
            ]
            for one in found
        ],
    )


def _point_cells(point: BalancePoint) -> tuple[str, str]:
    if point.flop_per_byte is None or point.hbm_bytes_per_s is None:
        return f"none: at most {significant(100 * point.most_share)} %", MISSING
    tb_per_s = point.hbm_bytes_per_s / 1e12
    return significant(point.flop_per_byte), significant(tb_per_s)


def intensity_table(found: Sequence[Balance]) -> Table:
    """The histogram: a row a layer and power of two, with the calls in it."""
    return Table(
        headings=("Layer", ">FLOP/byte", ">Time (%)", "Calls"),
        rows=[
            [
                size_words(one.layer),
                f"{part.low:g} to {part.high:g}" if part.high else "no FLOP",
                significant(part.share_pct),
                ", ".join(part.calls[:SHOWN_CALLS])
                + (
                    f" and {len(part.calls) - SHOWN_CALLS} more"
                    if len(part.calls) > SHOWN_CALLS
                    else ""
                ),
            ]
            for one in found
            for part in one.parts
        ],
    )


def weight_table(sets: LayerSets) -> Table:
    return Table(
        headings=("Weights of a layer", ">Bytes", "From"),
        rows=[
            [
                part.title[0].upper() + part.title[1:],
                scaled_bytes(part.bytes),
                part.source,
            ]
            for part in sets.weights
        ],
    )


def resident_table(sets: LayerSets) -> Table:
    """KV cache alone, with the weights outside the experts, and with all weights."""
    dense = sets.dense.bytes if sets.dense else None
    everything = (
        dense + sets.all_experts.bytes
        if dense is not None and sets.all_experts is not None
        else None
    )
    return Table(
        headings=(
            ">B",
            ">kv_len",
            ">KV cache",
            ">and weights outside the experts",
            ">and all routed experts",
            "KV cache is",
        ),
        rows=[
            [
                str(one.batch_size),
                str(one.kv_len),
                scaled_bytes(one.bytes),
                *(
                    MISSING if more is None else scaled_bytes(one.bytes + more)
                    for more in (dense, everything)
                ),
                one.source,
            ]
            for one in sets.kv
        ],
    )
