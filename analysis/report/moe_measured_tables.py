"""The tables of moe.md about calls that were timed one by one, and of each regime."""

from collections.abc import Iterable, Sequence

from dsprof.analysis.moe.bounds import least_time_s
from dsprof.analysis.moe.launched import Launched
from dsprof.analysis.moe.observations import US
from dsprof.analysis.moe.spans import spans
from dsprof.analysis.moe.study import Reached, Study
from dsprof.analysis.numerals import MISSING, significant
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.analysis.report.moe_tables import DIGITS, time_us

STAGES_AT = 4  # numbers of tokens whose stages are shown


def actual_table(study: Study) -> Table:
    """Sums of calls beside least times, by tokens, a column a way."""
    curves = study.recorded.sums
    by_tokens: dict[int, list[Reached]] = {}
    for one in study.reached():
        if one.curve.is_one_graph:
            continue
        by_tokens.setdefault(one.point.tokens, []).append(one)
    rows = []
    for tokens, of_size in sorted(by_tokens.items()):
        at = {one.curve.name: one for one in of_size}
        done = of_size[0].done
        rows.append(
            (
                str(tokens),
                experts_read(of_size),
                str(of_size[0].bound),
                *(time_us(least_time_s(done, roof)) for roof in study.roofs.values()),
                *(_measured(at.get(curve.name)) for curve in curves),
                *(_reached(study, at.get(curve.name)) for curve in curves),
            )
        )
    return Table(
        headings=(
            *(">T", ">Experts read", "Bound"),
            *(f">Min, {kind} (us)" for kind in study.roofs),
            *(f">{curve.name} (us)" for curve in curves),
            *(f">{curve.name} (% of {study.main_kind})" for curve in curves),
        ),
        rows=rows,
    )


def experts_read(of_size: Sequence[Reached]) -> str:
    """Recorded, or expected where no way's bytes tell."""
    known = {one.point.experts for one in of_size} - {None}
    if known:
        return ", ".join(str(count) for count in sorted(filter(None, known)))
    return f"~{significant(of_size[0].done.experts, DIGITS)}"


def _measured(one: Reached | None) -> str:
    return MISSING if one is None else time_us(one.point.time_us / US)


def _reached(study: Study, one: Reached | None) -> str:
    if one is None:
        return MISSING
    return significant(100 * one.efficiency[study.main_kind])


def regime_table(study: Study) -> Table:
    """The range of each way's share of each roof, by regime."""
    rows: list[tuple[Cell, ...]] = []
    for span in spans(study):
        shares = [
            [100 * one.efficiency[kind] for one in span.points] for kind in study.roofs
        ]
        rows.append(
            (
                f"{span.bound}-bound",
                span.curve.title,
                f"{span.points[0].point.tokens:,} to {span.points[-1].point.tokens:,}",
                *(f"{significant(min(s))} to {significant(max(s))}" for s in shares),
            )
        )
    return Table(
        headings=(
            *("Regime", "Way", ">T"),
            *(f">% of {kind} roof" for kind in study.roofs),
        ),
        rows=rows,
    )


def stage_table(study: Study) -> Table:
    """Each call's share of its way's time, at a few of the recorded tokens."""
    curves = study.recorded.sums
    sizes = spread({point.tokens for curve in curves for point in curve.points})
    rows: list[tuple[Cell, ...]] = []
    for curve in curves:
        for call in curve.calls:
            cells = []
            for tokens in sizes:
                point = curve.at(tokens)
                if point is None:
                    cells.append(MISSING)
                    continue
                of_call = sum(one.time_us for one in point.stages if one.call == call)
                cells.append(significant(100 * of_call / point.time_us))
            rows.append((Code(curve.name), Code(call.label), *cells))
    return Table(
        headings=("Way", "Call", *(f">% at T={tokens:,}" for tokens in sizes)),
        rows=rows,
    )


def spread(tokens: Iterable[int], most: int = STAGES_AT) -> list[int]:
    """So many of them at most, the first and the last among these."""
    ordered = sorted(tokens)
    if len(ordered) <= most:
        return ordered
    step = (len(ordered) - 1) / (most - 1)
    return [ordered[round(at * step)] for at in range(most)]


def launch_tables(study: Study) -> dict[str, Table]:
    """By call of several kernels: each one's share of the launches' time under ncu."""
    of_call: dict[str, list[Launched]] = {}
    for one in study.recorded.launched:
        of_call.setdefault(one.call.label, []).append(one)
    return {label: _launch_table(study, found) for label, found in of_call.items()}


def _launch_table(study: Study, found: Sequence[Launched]) -> Table:
    names = dict.fromkeys(name for one in found for name in one.functions_us)
    rows: list[tuple[Cell, ...]] = [
        (
            Code(name),
            *(
                significant(100 * one.functions_us[name] / one.total_us)
                if name in one.functions_us
                else MISSING
                for one in found
            ),
        )
        for name in names
    ]
    rows += [
        ("Launches", *(str(one.launches) for one in found)),
        ("All of them under ncu (us)", *(significant(one.total_us) for one in found)),
        ("The call in a graph (us)", *(_call_us(study, one) for one in found)),
    ]
    return Table(
        headings=("Kernel", *(f">T={one.tokens:,}" for one in found)), rows=rows
    )


def _call_us(study: Study, launched: Launched) -> str:
    times = [
        stage.time_us
        for curve in study.recorded.curves
        if (point := curve.at(launched.tokens)) is not None
        for stage in point.stages
        if stage.call == launched.call
    ]
    return significant(times[0]) if times else MISSING
