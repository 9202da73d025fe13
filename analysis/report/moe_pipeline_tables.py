"""The tables of moe.md about whole pipelines, each timed as one graph."""

from collections.abc import Iterator, Sequence

from dsprof.analysis.moe.bounds import least_time_s
from dsprof.analysis.moe.breakdown import Breakdown
from dsprof.analysis.moe.curves import Curve, CurvePoint
from dsprof.analysis.moe.gemms import GemmRate, gemm_rates
from dsprof.analysis.moe.observations import US
from dsprof.analysis.moe.speed import baseline, speed_ratios
from dsprof.analysis.moe.stage_names import GEMMS, PipelineStage
from dsprof.analysis.moe.study import Reached, Study
from dsprof.analysis.numerals import MISSING, significant
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.analysis.report.moe_measured_tables import experts_read, spread
from dsprof.analysis.report.moe_tables import time_us
from dsprof.analysis.roofs import RoofKind
from dsprof.harness.records import Bound

TERA = 1e12
SIZES_SHOWN = 9  # of a breakdown: as many as the T that are asked for by default


def pipeline_table(study: Study) -> Table:
    """Times of whole pipelines beside least times, by tokens, and their ratios."""
    recorded = study.recorded
    ratios, library = speed_ratios(recorded), baseline(recorded)
    rows = []
    for tokens, of_size in _by_tokens(study):
        at = {one.curve.name: one for one in of_size}
        done = of_size[0].done
        times = (at.get(curve.name) for curve in recorded.pipelines)
        rows.append(
            (
                str(tokens),
                experts_read(of_size),
                str(of_size[0].bound),
                *(time_us(least_time_s(done, roof)) for roof in study.roofs.values()),
                *(time_us(one.point.time_us / US) if one else MISSING for one in times),
                *(
                    significant(of_curve[tokens]) if tokens in of_curve else MISSING
                    for of_curve in ratios.values()
                ),
            )
        )
    beside = library.name if library else ""
    return Table(
        headings=(
            *(">T", ">Experts read", "Bound"),
            *(f">Min, {kind} (us)" for kind in study.roofs),
            *(f">{curve.name} (us)" for curve in recorded.pipelines),
            *(f">{name}, times as fast as {beside}" for name in ratios),
        ),
        rows=rows,
    )


def efficiency_table(study: Study) -> Table:
    """What each pipeline reaches of each measured roof, and how far off its output is.

    The rate is byte/s where memory limits and FLOP/s where computing does.
    """
    kinds: list[RoofKind] = list(study.roofs)
    if len(kinds) > 1:
        kinds.remove(RoofKind.SPEC)
    rows: list[tuple[Cell, ...]] = [
        (
            str(tokens),
            str(one.bound),
            Code(one.curve.name),
            _rate(one),
            *(significant(100 * one.efficiency[kind]) for kind in kinds),
            *_state(one.point),
            _error(one.point),
        )
        for tokens, of_size in _by_tokens(study)
        for one in of_size
    ]
    return Table(
        headings=(
            *(">T", "Bound", "Pipeline", ">Reached"),
            *(f">% of {kind} roof" for kind in kinds),
            *(">SM clock (MHz)", ">Power (W)", "Throttled by"),
            ">Error, of its limit",
        ),
        rows=rows,
    )


def _by_tokens(study: Study) -> Iterator[tuple[int, list[Reached]]]:
    found: dict[int, list[Reached]] = {}
    for one in study.reached():
        if one.curve.is_one_graph:
            found.setdefault(one.point.tokens, []).append(one)
    yield from sorted(found.items())


def _rate(one: Reached) -> str:
    if one.bound is Bound.MEMORY:
        return f"{significant(one.bytes_per_s / TERA)} TB/s"
    return f"{significant(one.flops_per_s / TERA)} TFLOP/s"


def _state(point: CurvePoint) -> tuple[str, ...]:
    if point.whole is None:
        return (MISSING,) * 3
    timing = point.whole.timing
    return (
        f"{timing.sm_clock_mhz:,}",
        significant(timing.power_w),
        ", ".join(timing.throttle_reasons) or "nothing",
    )


def _error(point: CurvePoint) -> str:
    row = point.whole.row if point.whole else None
    if row is None or row.error is None or row.error_limit is None:
        return MISSING
    return f"{significant(row.error, 2)} of {significant(row.error_limit, 2)}"


def breakdown_tables(study: Study) -> dict[str, Table]:
    """By pipeline, the share of each stage and of the gaps at a few of its sizes."""
    return {
        curve.name: _breakdown_table(curve, sizes)
        for curve in study.recorded.pipelines
        if (sizes := _shown_sizes(study, curve))
    }


def _shown_sizes(study: Study, curve: Curve) -> list[int]:
    """A few sizes with launches: the same of each pipeline that has them, if possible.

    Of the asked T, where some of them are among these.
    """
    of_curves = [
        {point.tokens for point in one.points if point.breakdown}
        for one in study.recorded.pipelines
    ]
    own = {point.tokens for point in curve.points if point.breakdown}
    shared = own.intersection(*filter(None, of_curves)) or own
    return spread(shared.intersection(study.tokens) or shared, SIZES_SHOWN)


def _breakdown_table(curve: Curve, sizes: Sequence[int]) -> Table:
    shown = [point for point in curve.points if point.tokens in sizes]
    made = [one for point in shown if (one := point.breakdown)]
    functions: dict[str, dict[str, None]] = {}
    for one in made:
        for stage, names in one.functions.items():
            functions.setdefault(stage, {}).update(dict.fromkeys(names))
    rows: list[tuple[Cell, ...]] = [
        (stage, Code(", ".join(names)), *(_share(one, stage) for one in made))
        for stage, names in sorted(functions.items(), key=lambda pair: _order(pair[0]))
    ]
    rows += [
        ("gaps", MISSING, *(significant(100 * b.gaps_us / b.total_us) for b in made)),
        ("Launches", MISSING, *(str(len(one.launches)) for one in made)),
        ("The call, traced (us)", MISSING, *(significant(b.total_us) for b in made)),
        ("Launches' own spans (us)", MISSING, *(significant(b.spans_us) for b in made)),
        (
            "The graph's median (us)",
            MISSING,
            *(significant(point.time_us) for point in shown),
        ),
    ]
    return Table(
        headings=("Stage", "Kernels", *(f">% at T={p.tokens:,}" for p in shown)),
        rows=rows,
    )


def _order(stage: str) -> int:
    """Known stages as a pipeline has them, unknown launches after them."""
    known = list(PipelineStage)
    return known.index(PipelineStage(stage)) if stage in known else len(known)


def _share(made: Breakdown, stage: str) -> str:
    stages_us = made.stages_us
    if stage not in stages_us:
        return MISSING
    return significant(100 * stages_us[stage] / made.total_us)


def gemm_table(study: Study) -> Table:
    """Both GEMMs' own rates at the sizes whose breakdown is shown."""
    rows: list[tuple[Cell, ...]] = []
    for curve in study.recorded.pipelines:
        of_curve = {
            one.point.tokens: one
            for one in study.reached()
            if one.curve is curve and one.point.breakdown
        }
        for tokens in _shown_sizes(study, curve):
            rates = {
                rate.stage: rate
                for rate in gemm_rates(of_curve[tokens], study.geometry)
            }
            cells = (cell for stage in GEMMS for cell in _gemm(rates.get(stage)))
            if rates:
                rows.append((Code(curve.name), str(tokens), *cells))
    units = ("us", "TFLOP/s", "TB/s of weights")
    return Table(
        headings=(
            *("Pipeline", ">T"),
            *(f">{stage} ({unit})" for stage in GEMMS for unit in units),
        ),
        rows=rows,
    )


def _gemm(rate: GemmRate | None) -> tuple[str, ...]:
    if rate is None:
        return (MISSING,) * 3
    return (
        significant(rate.time_us),
        significant(rate.flops_per_s / TERA),
        significant(rate.weight_bytes_per_s / TERA),
    )


def untimed_table(study: Study) -> Table:
    """The points of a pipeline that have no time, and why."""
    return Table(
        headings=("Pipeline", ">T", "Outcome", "Reason"),
        rows=[
            (Code(row.point.kernel), str(row.point.tokens), str(row.status), row.reason)
            for row in study.recorded.untimed
        ],
    )
