"""What was measured against the least times: by regime, and what follows from it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dsprof.analysis.findings import Finding
from dsprof.analysis.moe.observations import token_list
from dsprof.analysis.moe.recorded import Curve
from dsprof.analysis.moe.study import Reached, Study
from dsprof.analysis.numerals import significant
from dsprof.analysis.roofs import RoofKind
from dsprof.harness.records import Bound

TERA = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One curve within one regime."""

    curve: Curve
    bound: Bound
    points: tuple[Reached, ...]  # by tokens; never empty
    kind: RoofKind  # that efficiencies are of

    def _share(self, one: Reached) -> float:
        return one.efficiency[self.kind]

    @property
    def best(self) -> Reached:
        return max(self.points, key=self._share)

    @property
    def worst(self) -> Reached:
        return min(self.points, key=self._share)


def spans(study: Study) -> list[Span]:
    """Every curve in every regime that it has points in, memory first."""
    reached = study.reached()
    found = []
    for bound in (Bound.MEMORY, Bound.COMPUTE):
        for curve in study.recorded.curves:
            points = tuple(
                one for one in reached if one.curve is curve and one.bound is bound
            )
            if points:
                found.append(
                    Span(curve=curve, bound=bound, points=points, kind=study.main_kind)
                )
    return found


def regime_findings(study: Study, bound: Bound) -> list[Finding]:
    """What each curve reaches within a regime, and what its worst point spends."""
    of_bound = [span for span in spans(study) if span.bound is bound]
    return [
        Finding(title=span.curve.name, detail=_span_detail(study, span))
        for span in of_bound
    ] + list(_quickest(of_bound))


def _span_detail(study: Study, span: Span) -> str:
    best, worst = span.best, span.worst
    kind = study.main_kind
    low, high = (100 * one.efficiency[kind] for one in (worst, best))
    tokens = token_list([one.point.tokens for one in span.points])
    reached = (
        f"{significant(best.bytes_per_s / TERA)} TB/s"
        if span.bound is Bound.MEMORY
        else f"{significant(best.flops_per_s / TERA)} TFLOP/s"
    )
    words = "measured" if kind is not RoofKind.SPEC else "rated"
    return (
        f"{significant(low)} to {significant(high)} % of the {words} roof at {tokens}; "
        f"most at T = {best.point.tokens:,} ({reached}), least at T = "
        f"{worst.point.tokens:,}, where {_spent(study, worst)}."
    )


def _spent(study: Study, one: Reached) -> str:
    """Where a point's time goes: its roof, its GEMMs above that, and the rest."""
    least_us = one.efficiency[study.main_kind] * one.point.time_us
    others = sum(stage.time_us for stage in one.point.others)
    share = 100 * others / one.point.time_us
    words = (
        f"it takes {significant(one.point.time_us)} us instead of "
        f"{significant(least_us)}"
    )
    if others:
        words += f", {significant(share)} % of them in calls that read no weights"
    return words


def _quickest(of_bound: Sequence[Span]) -> Iterator[Finding]:
    """Which way wins at how many tokens; nothing where there is one way."""
    if len(of_bound) < 2:  # noqa: PLR2004 -- to compare
        return
    sizes = sorted({one.point.tokens for span in of_bound for one in span.points})
    wins: dict[str, list[int]] = {}
    for tokens in sizes:
        times = {
            span.curve.name: one.point.time_us
            for span in of_bound
            for one in span.points
            if one.point.tokens == tokens
        }
        if len(times) == len(of_bound):
            wins.setdefault(min(times, key=lambda name: times[name]), []).append(tokens)
    detail = "; ".join(
        f"{name} at {', '.join(f'{count:,}' for count in tokens)}"
        for name, tokens in wins.items()
    )
    if detail:
        yield Finding(title="Quickest", detail=f"{detail} tokens.")


def implications(study: Study) -> list[Finding]:
    """What would be won, at the ends of each regime of each curve."""
    return [
        finding
        for span in spans(study)
        for finding in (_at_roof(study, span), _without_others(span))
        if finding is not None
    ]


def _at_roof(study: Study, span: Span) -> Finding:
    """What the GEMMs alone could give at the point with most to win."""
    lost = max(
        span.points,
        key=lambda one: one.point.time_us * (1 - one.efficiency[study.main_kind]),
    )
    least_us = lost.efficiency[study.main_kind] * lost.point.time_us
    above = lost.point.time_us - least_us
    gemm = max(lost.point.gemm_us - least_us, 0.0)
    return Finding(
        title=f"{span.curve.name}, {span.bound}-bound",
        detail=f"most time is to be won at T = {lost.point.tokens:,}: "
        f"{significant(above)} of {significant(lost.point.time_us)} us, of which "
        f"{significant(gemm)} us in the calls that read the weights.",
    )


def _without_others(span: Span) -> Finding | None:
    """What a call that reads no weights is worth, where it takes most."""
    shares = [
        (one.point.others[0].time_us / one.point.time_us, one)
        for one in span.points
        if one.point.others
    ]
    if not shares:
        return None
    share, one = max(shares, key=lambda pair: pair[0])
    longest = one.point.others[0]
    return Finding(
        title=f"{span.curve.name}, {span.bound}-bound, {longest.call.label}",
        detail=f"at most {significant(100 * share)} % of the time (T = "
        f"{one.point.tokens:,}, {significant(longest.time_us)} us): twice as fast, it "
        f"saves {significant(50 * share)} %.",
    )
