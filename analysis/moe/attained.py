"""What was measured against the least times: by regime, and what follows from it."""

from collections.abc import Iterator, Sequence

from dsprof.analysis.findings import Finding
from dsprof.analysis.moe.curves import CurvePoint
from dsprof.analysis.moe.observations import US, token_list
from dsprof.analysis.moe.spans import Span, spans
from dsprof.analysis.moe.study import Reached, Study
from dsprof.analysis.moe.traced import clock_findings, growth_findings
from dsprof.analysis.numerals import significant
from dsprof.analysis.roofs import RoofKind
from dsprof.harness.records import Bound

TERA = 1e12
CLOSE = 0.1  # of the best: as good as it
NEAR = 0.5  # of the longer side of a roof: the shorter one is not negligible


def regime_findings(study: Study, bound: Bound) -> list[Finding]:
    """What each curve reaches within a regime, and what its worst point spends."""
    of_bound = [span for span in spans(study) if span.bound is bound]
    found: list[Finding] = []
    for span in of_bound:
        found.append(Finding(title=span.curve.title, detail=_span_detail(study, span)))
        found += growth_findings(span)
        if bound is Bound.COMPUTE:
            found += clock_findings(study, span)
    return [*found, *_quickest(of_bound)]


def _span_detail(study: Study, span: Span) -> str:
    best, worst = span.best, span.worst
    tokens = token_list([one.point.tokens for one in span.points])
    reached = (
        f"{significant(best.bytes_per_s / TERA)} TB/s"
        if span.bound is Bound.MEMORY
        else f"{significant(best.flops_per_s / TERA)} TFLOP/s"
    )
    return (
        f"{_shares(study, span)} at {tokens}; most at T = {best.point.tokens:,} "
        f"({reached}){_near_best(span)}, least at T = {worst.point.tokens:,}, where "
        f"{_spent(study, worst)}."
    )


def _near_best(span: Span) -> str:
    """The points that come close to the best; nothing where that is one, or all."""
    most = span.share(span.best)
    near = [
        one.point.tokens for one in span.points if span.share(one) >= (1 - CLOSE) * most
    ]
    if not 1 < len(near) < len(span.points):
        return ""
    return f", within {100 * CLOSE:.0f} % of that at {token_list(near)}"


def _shares(study: Study, span: Span) -> str:
    """The range of shares of the main roof; where compute limits, of every measured."""
    kinds = [study.main_kind]
    if span.bound is Bound.COMPUTE:
        kinds = [kind for kind in study.roofs if kind is not RoofKind.SPEC] or kinds
    return " and ".join(
        f"{_range([100 * one.efficiency[kind] for one in span.points])} % of the "
        f"{'rated' if kind is RoofKind.SPEC else kind} roof"
        for kind in kinds
    )


def _range(values: Sequence[float]) -> str:
    low, high = significant(min(values)), significant(max(values))
    return low if low == high else f"{low} to {high}"


def _spent(study: Study, one: Reached) -> str:
    """Where a point's time goes: its roof, and what is no GEMM."""
    least_us = one.efficiency[study.main_kind] * one.point.time_us
    return (
        f"it takes {significant(one.point.time_us)} us instead of "
        f"{significant(least_us)}{_near_ridge(study, one)}{_spent_beside(one.point)}"
    )


def _near_ridge(study: Study, one: Reached) -> str:
    """What the other side of the roof asks for, where that is not far below."""
    compute_us = one.done.flops / study.main.flops_per_s * US
    memory_us = one.done.total_bytes / study.main.bytes_per_s * US
    less, more = sorted((compute_us, memory_us))
    if less < NEAR * more:
        return ""
    side = "computing" if less == compute_us else "moving bytes"
    return f" ({side} alone {significant(less)})"


def _spent_beside(point: CurvePoint) -> str:
    if made := point.breakdown:
        gemms, gaps = (100 * us / made.total_us for us in (made.gemm_us, made.gaps_us))
        words = f", {significant(gemms)} % in GEMMs by its launches"
        for stage, us in list(made.other_stages_us.items())[:1]:
            words += f", {significant(100 * us / made.total_us)} % in {stage}"
        return f"{words} and {significant(gaps)} % in gaps"
    others = sum(stage.time_us for stage in point.others)
    if not others:
        return ""
    share = 100 * others / point.time_us
    return f", {significant(share)} % of them in calls that read no weights"


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
    if len(wins) == 1:
        ((name, all_of_them),) = wins.items()
        yield Finding(
            title="Quickest",
            detail=f"{name} at every size, {token_list(all_of_them)}.",
        )
    elif wins:
        detail = "; ".join(
            f"{name} at {', '.join(f'{count:,}' for count in tokens)}"
            for name, tokens in wins.items()
        )
        yield Finding(title="Quickest", detail=f"{detail} tokens.")


def implications(study: Study) -> list[Finding]:
    """What would be won, at the point of each regime of each curve with most to win."""
    return [
        finding
        for span in spans(study)
        for finding in (_at_roof(study, span), _without_others(span))
        if finding is not None
    ]


def _at_roof(study: Study, span: Span) -> Finding:
    """How much of the time above the roof is the GEMMs' own."""
    lost = max(
        span.points,
        key=lambda one: one.point.time_us * (1 - one.efficiency[study.main_kind]),
    )
    least_us = lost.efficiency[study.main_kind] * lost.point.time_us
    above = lost.point.time_us - least_us
    return Finding(
        title=f"{span.curve.title}, {span.bound}-bound",
        detail=f"most time is to be won at T = {lost.point.tokens:,}: "
        f"{significant(above)} of {significant(lost.point.time_us)} us"
        f"{_above(lost.point, least_us)}.",
    )


def _above(point: CurvePoint, least_us: float) -> str:
    """What the time above the roof consists of, as far as it is known."""
    if made := point.breakdown:
        gemm = max(made.gemm_us - least_us, 0.0)
        others = sum(made.other_stages_us.values())
        return (
            f", by its launches {significant(gemm)} us in GEMMs, {significant(others)} "
            f"us in other launches and {significant(made.gaps_us)} us in gaps"
        )
    if point.whole:
        return "; of its launches nothing was recorded"
    gemm = max(point.gemm_us - least_us, 0.0)
    return f", of which {significant(gemm)} us in the calls that read the weights"


def _without_others(span: Span) -> Finding | None:
    """What one part that reads no weights is worth, where it takes most."""
    parts = [
        (time_us / total_us, name, time_us, one)
        for one in span.points
        for name, time_us, total_us in _longest_other(one.point)
    ]
    if not parts:
        return None
    share, name, time_us, one = max(parts, key=lambda part: part[0])
    return Finding(
        title=f"{span.curve.title}, {span.bound}-bound, {name}",
        detail=f"at most {significant(100 * share)} % of the time (T = "
        f"{one.point.tokens:,}, {significant(time_us)} us): twice as fast, it "
        f"saves {significant(50 * share)} %.",
    )


def _longest_other(point: CurvePoint) -> Iterator[tuple[str, float, float]]:
    """The longest part that is no GEMM: its name, its time and that of all parts."""
    if made := point.breakdown:
        for name, time_us in list(made.other_stages_us.items())[:1]:
            yield name, time_us, made.total_us
    for stage in point.others[:1]:
        yield stage.call.label, stage.time_us, point.time_us
