"""How far a fit is off on points that it has not seen.

All points of equal token count are left out together: decode at B=128 and prefill of
128 tokens are nearly one point, and the one would give away the other. What was
counted at those token counts is left out with them.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dsprof.analysis.whatif.kernel_fit import fit_kernel
from dsprof.analysis.whatif.target import Target
from dsprof.analysis.whatif.work import Sweep, Work
from dsprof.harness.records import Point

LONG_S = 10e-6  # below, launch and clock jitter are a large part of a time
SEEN_TOKENS, UNSEEN_TOKENS = (
    1024,
    4096,
)  # fitted up to the one, predicted from the other


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutPoint:
    """A point's time and what a fit without its token count says of it."""

    point: Point
    measured_s: float
    predicted_s: float

    @property
    def ratio(self) -> float:
        """Measured over predicted."""
        return self.measured_s / self.predicted_s

    @property
    def error(self) -> float:
        """Relative to the measured time; 0.1 is 10 % off."""
        return abs(self.predicted_s / self.measured_s - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Errors of left-out points in percent; NaN where there is no point."""

    points: int
    median_pct: float
    p90_pct: float


def left_out(sweep: Sweep, source: Target) -> list[LeftOutPoint]:
    """Every point of a kernel, predicted by a fit without its token count.

    Empty where all points have one token count: nothing is left to fit.
    """
    counts = list(dict.fromkeys(row.point.tokens for row in sweep.rows))
    if len(counts) < 2:  # noqa: PLR2004 -- one to leave out, one to keep
        return []
    return [
        point
        for tokens in counts
        for point in _predicted(*sweep.works(without={tokens}), source)
    ]


def extrapolated(sweep: Sweep, source: Target) -> list[LeftOutPoint]:
    """Points of 4096 tokens and more, predicted by a fit on 1024 and fewer."""
    counts = {row.point.tokens for row in sweep.rows}
    unseen = {tokens for tokens in counts if tokens > SEEN_TOKENS}
    seen, rest = sweep.works(without=unseen)
    far = [work for work in rest if work.tokens >= UNSEEN_TOKENS]
    return list(_predicted(seen, far, source)) if seen and far else []


def errors(points: Iterable[LeftOutPoint], *, least_s: float = 0.0) -> Errors:
    """Median and 90th percentile of the points that take at least so long."""
    known = sorted(one.error for one in points if one.measured_s >= least_s)
    if not known:
        return Errors(points=0, median_pct=math.nan, p90_pct=math.nan)
    return Errors(
        points=len(known),
        median_pct=100 * statistics.median(known),
        p90_pct=100 * known[math.ceil(0.9 * len(known)) - 1],
    )


def ratio_quantiles(
    points: Sequence[LeftOutPoint], covered: float
) -> tuple[float, float]:
    """Measured over predicted between which this share of left-out points lies.

    Conformal: the (n + 1) in the ranks makes up for a finite number of points. With
    too few for the share, the extremes.
    """
    ratios = sorted(one.ratio for one in points)
    tail = (1 - covered) / 2 * (len(ratios) + 1)
    below = max(math.floor(tail), 1)
    return ratios[below - 1], ratios[len(ratios) - below]


def _predicted(
    seen: Sequence[Work], unseen: Sequence[Work], source: Target
) -> Iterable[LeftOutPoint]:
    fit = fit_kernel("", seen, source)
    for work in unseen:
        yield LeftOutPoint(
            point=work.row.point,
            measured_s=work.time_s,
            predicted_s=fit.time_s(work, source),
        )
