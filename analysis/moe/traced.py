"""What launches and clocks say of a whole pipeline within a regime."""

from collections.abc import Iterator, Mapping, Sequence

from dsprof.analysis.findings import Finding
from dsprof.analysis.moe.breakdown import GAPS
from dsprof.analysis.moe.observations import token_list
from dsprof.analysis.moe.spans import Span
from dsprof.analysis.moe.study import Study
from dsprof.analysis.numerals import significant
from dsprof.analysis.roofs import RoofKind
from dsprof.harness.ceiling import Ceiling
from dsprof.harness.records import Timing


def growth_findings(span: Span) -> Iterator[Finding]:
    """Which part that is no GEMM grows most with T, in time, and what all of them do.

    Nothing where fewer than two sizes have launches, or no such part grows.
    """
    made = [(one.point.tokens, b) for one in span.points if (b := one.point.breakdown)]
    if len(made) < 2:  # noqa: PLR2004 -- nothing grows at one T
        return
    (first, before), (last, after) = made[0], made[-1]
    parts = [{**one.other_stages_us, GAPS: one.gaps_us} for one in (before, after)]
    grown = max(
        dict.fromkeys((*parts[0], *parts[1])),
        key=lambda name: parts[1].get(name, 0.0) - parts[0].get(name, 0.0),
    )
    times = [of_size.get(grown, 0.0) for of_size in parts]
    if times[0] >= times[1]:
        return
    totals = (before.total_us, after.total_us)
    shares = [100 * us / total for us, total in zip(times, totals, strict=True)]
    rest = [100 * (1 - one.gemm_us / one.total_us) for one in (before, after)]
    yield Finding(
        title=f"{span.curve.title}, from T = {first:,} to {last:,}",
        detail=f"of what is no GEMM, {grown} grows most, from {_ends(times)} us, "
        f"{_ends(shares)} % of the time; all of it goes from {_ends(rest)} %.",
    )


def _ends(values: Sequence[float]) -> str:
    return " to ".join(significant(value) for value in values)


def clock_findings(study: Study, span: Span) -> Iterator[Finding]:
    """At what clock and power the points ran, and which roof ran at the nearest."""
    timed = {
        one.point.tokens: w.timing for one in span.points if (w := one.point.whole)
    }
    if not timed:
        return
    detail = f"{_state(list(timed.values()))}{_held_back(timed)}"
    for kind, ceiling in study.ceilings.items():
        held = ", ".join(ceiling.throttle_reasons)
        detail += (
            f"; the {kind} roof at {ceiling.sm_clock_mhz:,} MHz and "
            f"{significant(ceiling.power_w)} W" + (f" ({held})" if held else "")
        )
    if len(study.ceilings) > 1:
        detail += f". {_like_for_like(study.ceilings, timed)}"
    yield Finding(
        title=f"{span.curve.title}, clocks at {token_list(list(timed))}",
        detail=f"{detail}.",
    )


def _state(timings: Sequence[Timing]) -> str:
    clocks = sorted({one.sm_clock_mhz for one in timings})
    watts = sorted(one.power_w for one in timings)
    mhz = " to ".join(f"{one:,}" for one in dict.fromkeys((clocks[0], clocks[-1])))
    power = " to ".join(
        dict.fromkeys(significant(one) for one in (watts[0], watts[-1]))
    )
    return f"SMs at {mhz} MHz, {power} W"


def _held_back(timed: Mapping[int, Timing]) -> str:
    """The reasons for which the clock was held down, and at how many points."""
    reasons: dict[str, list[int]] = {}
    for tokens, timing in timed.items():
        for reason in timing.throttle_reasons:
            reasons.setdefault(reason, []).append(tokens)
    if not reasons:
        return ", no throttle reason"
    return "".join(
        f", {reason} at {token_list(tokens)}" for reason, tokens in reasons.items()
    )


def nearest_roof(ceilings: Mapping[RoofKind, Ceiling], timing: Timing) -> RoofKind:
    """The measured roof whose SM clock is nearest to that of the point."""
    return min(
        ceilings,
        key=lambda kind: abs(ceilings[kind].sm_clock_mhz - timing.sm_clock_mhz),
    )


def _like_for_like(
    ceilings: Mapping[RoofKind, Ceiling], timed: Mapping[int, Timing]
) -> str:
    of_kind: dict[RoofKind, list[int]] = {}
    for tokens, timing in timed.items():
        of_kind.setdefault(nearest_roof(ceilings, timing), []).append(tokens)
    parts = (f"{kind} at {token_list(tokens)}" for kind, tokens in of_kind.items())
    return f"Nearest in clock, and so the like-for-like roof: {', '.join(parts)}"
