"""Section 7: whether the grids fill the GPU, and how many cores they would fill."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from dsprof.analysis.findings import Finding
from dsprof.analysis.npu.counted import counted_parts, labels_by_weight
from dsprof.analysis.npu.layers import NpuData
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
from dsprof.analysis.numerals import plural, significant

if TYPE_CHECKING:
    import pandas as pd

FULL_SHARE = 0.5  # of the time in grids that would fill the cores recommended
SMALL_SHARE_PCT = 50.0
LATENCY, OCCUPANCY, WAVES = "latency", "achieved_occupancy_pct", "waves_per_sm"


def parallelism(data: NpuData) -> Section:
    """Waves, occupancy and tails of the counted launches, weighted by time."""
    parts = [
        (title, known)
        for title, rows in counted_parts(data)
        if len(known := rows.dropna(subset=[WAVES, "weight_s"]))
    ]
    sms = data.profile.device.sms
    return Section(
        topic=Topic.PARALLELISM,
        findings=[_waves_finding(title, rows) for title, rows in parts],
        tables=[_table(parts, sms)] if parts else [],
        recommendations=list(_core_advice(parts, sms, data)) if parts else [],
        outside=list(_outside(data, parts)),
    )


def share_under_one_wave(rows: "pd.DataFrame", scale: float = 1.0) -> float:
    """Percent of the time in grids that fill less than so many times the SMs."""
    small = rows[rows[WAVES] < scale]
    return _share_pct(small, rows)


def tail_pct(rows: "pd.DataFrame") -> float:
    """Percent of the time of grids of a wave or more that a full last wave would save.

    Waves take equal times, so a grid of w waves takes ceil(w).
    """
    lost: float = sum(
        float(row["weight_s"]) * (1 - row[WAVES] / math.ceil(row[WAVES]))
        for _, row in rows.iterrows()
        if row[WAVES] >= 1
    )
    return 100 * lost / float(rows["weight_s"].sum())


def filled_sms(rows: "pd.DataFrame", sms: int, share: float = FULL_SHARE) -> float:
    """The most SMs that grids with this share of the time fill with one wave."""
    ordered = rows.sort_values(WAVES, ascending=False, kind="stable")
    reached = ordered["weight_s"].cumsum() / ordered["weight_s"].sum()
    enough = ordered[reached >= share - 1e-12]
    return float(enough[WAVES].iloc[0]) * sms


def _share_pct(part: "pd.DataFrame", rows: "pd.DataFrame") -> float:
    return 100 * float(part["weight_s"].sum()) / float(rows["weight_s"].sum())


def _occupancy(rows: "pd.DataFrame") -> float:
    known = rows.dropna(subset=[OCCUPANCY])
    total = float(known["weight_s"].sum())
    if not total:
        return math.nan
    return float((known[OCCUPANCY] * known["weight_s"]).sum()) / total


def _waves_finding(title: str, rows: "pd.DataFrame") -> Finding:
    small = rows[rows[WAVES] < 1]
    words = (
        f"{plural(len(small), 'call')} of {len(rows)} with "
        f"{significant(_share_pct(small, rows))} % of the counted time are under one "
        f"wave; tails cost {significant(tail_pct(rows))} %"
    )
    occupancy = _occupancy(rows)
    if not math.isnan(occupancy):
        words += f"; achieved occupancy {significant(occupancy)} %, weighted by time"
    idle = rows[rows["limiter"] == LATENCY]
    if len(idle):
        words += (
            f"; no unit is busy in {plural(len(idle), 'call')} with "
            f"{significant(_share_pct(idle, rows))} %"
        )
    return found(title, words, labels_by_weight(small if len(small) else rows))


def _table(parts: "list[tuple[str, pd.DataFrame]]", sms: int) -> Grid:
    return Grid(
        title=f"Grids against the {sms} SMs, weighted by time",
        headings=(
            *("Size", ">Calls", ">Occupancy (%)", ">Under one wave (%)"),
            *(">Under half (%)", ">Under two (%)", ">Tail (%)", ">SMs filled"),
        ),
        rows=[
            (
                title,
                f"{len(rows)}",
                significant(_occupancy(rows)),
                *(
                    significant(share_under_one_wave(rows, scale))
                    for scale in (1.0, 0.5, 2.0)
                ),
                significant(tail_pct(rows)),
                significant(filled_sms(rows, sms)),
            )
            for title, rows in parts
        ],
    )


def _core_advice(
    parts: "list[tuple[str, pd.DataFrame]]", sms: int, data: NpuData
) -> Iterator[Recommendation]:
    filled: Mapping[str, float] = {
        title: filled_sms(rows, sms) for title, rows in parts
    }
    title, rows = min(parts, key=lambda part: filled[part[0]])
    words = ", ".join(f"{name} {significant(count)}" for name, count in filled.items())
    yield advice(
        "Cores that grids fill",
        f"{significant(min(filled[title], float(sms)))} of {sms} SMs at {title}: "
        f"half of the time is in grids that fill so many with one wave ({words})",
        sensitivity=_effects(parts),
        confidence=_confidence(parts, data),
        labels=labels_by_weight(rows),
    )


def _effects(
    parts: "list[tuple[str, pd.DataFrame]]",
) -> Iterator[tuple[float, str]]:
    for name, rows in parts:
        half, double = (share_under_one_wave(rows, scale) for scale in (0.5, 2.0))
        words = (
            f"{significant(half)} % of the time under one wave with half the SMs, "
            f"{significant(double)} % with twice as many, {name}"
        )
        yield half, words


def _confidence(parts: "list[tuple[str, pd.DataFrame]]", data: NpuData) -> Confidence:
    counted = sum(len(rows) for _, rows in parts)
    launches = sum(int(rows["launches"].sum()) for _, rows in parts)
    timed = sum(len(layer.calls) for layer in data.layers)
    return Confidence(
        level=Level.MEDIUM if timed and counted >= timed / 2 else Level.LOW,
        reason=f"{plural(counted, 'call')} counted in {launches} launches, of "
        f"{plural(timed, 'timed call')}; a kernel may size its grid to the GPU that it "
        "finds",
    )


def _outside(data: NpuData, parts: "list[tuple[str, pd.DataFrame]]") -> Iterator[str]:
    if not parts:
        yield (
            "Waves, occupancy and tails: this profile has no counters of a call that "
            "it timed."
        )
        return
    titles = {title for title, _ in parts}
    if without := [one.title for one in data.layers if one.title not in titles]:
        yield f"Grids of {', '.join(without)}: no launch of them was counted."
    yield (
        f"Deeper pipelines and wider thread groups: {plural(len(parts), 'size')} "
        f"counted on one design, {data.profile.device.name}, do not vary them."
    )
