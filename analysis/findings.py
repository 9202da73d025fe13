"""Short observations computed from named rows, for the top of a report."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dsprof.analysis.numerals import plural, significant
from dsprof.analysis.roofline import Placement, Position, place_all
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    Measurement,
    Status,
    TimingState,
)

LATENCY_US = 5.0  # a call this short is mostly launch and first-load latency
SHORT_US = 10.0  # below it an event pair's resolution shows in the samples
SHOWN_ROWS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One observation: what, how much, and the labels of the rows that show it.

    ``rows`` holds the first few labels; ``row_count`` says how many there are.
    """

    title: str
    detail: str
    rows: tuple[str, ...] = ()
    row_count: int = 0


def find(profile: Profile) -> list[Finding]:
    """Every observation that the profile's timed rows allow, worst news first."""
    timed = [row for row in profile.measurements if row.status is Status.OK]
    found = [_not_timed(profile.measurements)]
    if timed:
        placed = {
            cache: place_all(timed, cache, l2_bytes=profile.device.l2_bytes)
            for cache in Cache
        }
        found += [
            *_untrusted(timed),
            *_above_roof(placed),
            *_extremes(placed),
            *_cache_ratio(timed),
            *_short(timed),
            *_nearest_to_error_limit(timed),
        ]
    return [finding for finding in found if finding is not None]


def _finding(title: str, detail: str, rows: Iterable[Measurement]) -> Finding:
    labels = [row.point.label for row in rows]
    return Finding(
        title=title,
        detail=detail,
        rows=tuple(labels[:SHOWN_ROWS]),
        row_count=len(labels),
    )


def _not_timed(measurements: Sequence[Measurement]) -> Finding | None:
    if not measurements:
        return Finding(title="Rows", detail="this profile has none")
    bad = [row for row in measurements if row.status.is_finding]
    if not bad:
        return None
    counts = Counter(str(row.status) for row in bad)
    detail = ", ".join(f"{count} {status}" for status, count in counts.items())
    return _finding("Points that went wrong", detail, bad)


def _untrusted(timed: Sequence[Measurement]) -> list[Finding]:
    found = []
    for state in (TimingState.THROTTLED, TimingState.NOISY):
        rows = [
            row
            for row in timed
            if any(t is not None and t.state is state for t in (row.warm, row.cold))
        ]
        if rows:
            found.append(_finding(f"Timings {state}", plural(len(rows), "point"), rows))
    return found or [
        Finding(
            title="Timings throttled or noisy",
            detail=f"none of {plural(len(timed), 'timed point')}",
        )
    ]


def _above_roof(placed: dict[Cache, list[Placement]]) -> list[Finding]:
    found = []
    for position in (Position.ABOVE, Position.L2, Position.WRITES_IN_L2):
        rows = [
            placement
            for placements in placed.values()
            for placement in placements
            if placement.position is position
        ]
        if rows:
            top = max(rows, key=lambda placement: placement.share_pct)
            found.append(
                _finding(
                    f"Above the roof ({position})",
                    f"{plural(len(rows), 'timing')}, up to "
                    f"{significant(top.share_pct)} % of {_roof_name(top)}",
                    [top.measurement, *(p.measurement for p in rows if p is not top)],
                )
            )
    return found


def _extremes(placed: dict[Cache, list[Placement]]) -> list[Finding]:
    cache = Cache.COLD if placed[Cache.COLD] else Cache.WARM
    placements = placed[cache]
    if not placements:
        return []
    near = max(placements, key=lambda placement: placement.share_pct)
    far = min(placements, key=lambda placement: placement.share_pct)
    most = max(placements, key=lambda placement: placement.headroom_us)
    return [
        _extreme(f"Nearest to its roof ({cache})", near),
        _extreme(f"Farthest from its roof ({cache})", far),
        _extreme(f"Most time above its roof ({cache})", most),
    ]


def _extreme(title: str, placement: Placement) -> Finding:
    roof_us = placement.measurement.roof_time_us
    detail = (
        f"{significant(placement.share_pct)} % of the {placement.measurement.bound} "
        f"roof ({_roof_name(placement)}), {significant(placement.time_us)} us against "
        f"{significant(roof_us)} us"
    )
    return _finding(title, detail, [placement.measurement])


def _roof_name(placement: Placement) -> str:
    """Which roof the percentage is of, such as ``spec h200-sxm``."""
    roof = placement.measurement.roof
    return "" if roof is None else roof.name


def _cache_ratio(timed: Sequence[Measurement]) -> list[Finding]:
    ratios = [
        (row.cold.median_us / row.warm.median_us, row)
        for row in timed
        if row.cold is not None and row.warm is not None
    ]
    if not ratios:
        return []
    ratio, row = max(ratios, key=lambda pair: pair[0])
    return [
        _finding("Largest cold over warm time", f"{significant(ratio)} times", [row])
    ]


def _short(timed: Sequence[Measurement]) -> list[Finding]:
    found = []
    for title, limit_us in (
        ("Latency flag", LATENCY_US),
        ("Near the timer's resolution", SHORT_US),
    ):
        rows = [row for row in timed if is_shorter(row, limit_us)]
        if rows:
            kernels = Counter(row.point.kernel for row in rows)
            parts = ", ".join(f"{name} {count}" for name, count in kernels.items())
            found.append(
                _finding(
                    f"{title} (a warm or cold time under {limit_us:g} us)",
                    f"{plural(len(rows), 'point')} of {len(timed)}: {parts}",
                    (),
                )
            )
    return found


def is_shorter(row: Measurement, limit_us: float) -> bool:
    """True where either timing's median is under the limit."""
    return any(t is not None and t.median_us < limit_us for t in (row.warm, row.cold))


def _nearest_to_error_limit(timed: Sequence[Measurement]) -> list[Finding]:
    shares = [
        (row.error / row.error_limit, row)
        for row in timed
        if row.error is not None and row.error_limit
    ]
    if not shares:
        return []
    share, row = max(shares, key=lambda pair: pair[0])
    detail = f"{significant(100 * share)} % of the allowed error"
    return [_finding("Result nearest to its error limit", detail, [row])]
