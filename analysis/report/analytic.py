"""The roofline page of a device that nothing was run on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dsprof.analysis.analytic import (
    AnalyticProfile,
    Crossing,
    attainable,
    bound_names,
    refusal,
    ridge_of,
)
from dsprof.analysis.numerals import MISSING, scaled_bytes, scaled_flops, significant
from dsprof.analysis.report.hardware import GIGA, TERA, datapath_name, hardware_table
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.analysis.report.roofline import FigureLink
from dsprof.analysis.report.template import render
from dsprof.analysis.sizes import REPORTED_SIZES, ProblemSize
from dsprof.harness.records import Bound, Measurement

SHOWN_ROOF_TIMES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SizePart:
    """One reported size: where its kernels lie, and which take longest at least."""

    title: str
    placement: Table
    compute: tuple[str, ...]
    memory: tuple[str, ...]
    refused: Table
    longest: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyticView:
    """Everything that analytic.md.j2 prints."""

    profile: AnalyticProfile
    figures: Sequence[FigureLink]
    hardware: Table
    sizes: list[SizePart]
    crossings: Table
    scaling: Table
    command: str


def render_analytic(
    profile: AnalyticProfile, figures: Sequence[FigureLink], command: str
) -> str:
    """The page as Markdown; ``command`` is what makes it again."""
    return render(
        "analytic.md.j2",
        AnalyticView(
            profile=profile,
            figures=figures,
            hardware=hardware_table(profile.device),
            sizes=[_size(profile, size) for size in REPORTED_SIZES],
            crossings=_crossing_table(profile),
            scaling=_scaling_table(profile),
            command=command,
        ),
    )


def _size(profile: AnalyticProfile, size: ProblemSize) -> SizePart:
    rows = size.select(profile.rows)
    refused = [(row, why) for row in rows if (why := refusal(row, profile.device))]
    return SizePart(
        title=size.title[0].upper() + size.title[1:],
        placement=_placement_table(profile, rows),
        compute=tuple(dict.fromkeys(bound_names(rows, Bound.COMPUTE))),
        memory=tuple(dict.fromkeys(bound_names(rows, Bound.MEMORY))),
        refused=Table(
            headings=("Kernel", "Op", "Why"),
            rows=[[*_names(row), why] for row, why in refused],
        ),
        longest=_longest_table(profile, rows),
    )


def _placement_table(profile: AnalyticProfile, rows: Sequence[Measurement]) -> Table:
    return Table(
        headings=(
            *("Kernel", "Op", "Datapath", ">FLOP", ">Bytes", ">AI (FLOP/byte)"),
            *(">Ridge", "Bound", ">Attainable", ">Roof time (us)", "Notes"),
        ),
        rows=[
            [
                *_names(row),
                datapath_name(row.datapath) if row.flops else MISSING,
                scaled_flops(row.total_flops) if row.flops else MISSING,
                scaled_bytes(row.total_bytes),
                significant(row.arithmetic_intensity),
                significant(ridge_of(profile.device, row)) if row.flops else MISSING,
                MISSING if row.bound is None else str(row.bound),
                _attainable(row),
                significant(row.roof_time_us),
                _notes(profile, row),
            ]
            for row in rows
        ],
    )


def _longest_table(profile: AnalyticProfile, rows: Sequence[Measurement]) -> Table:
    """The longest least times: what a faster datapath or memory is worth most to."""
    placed = [
        row
        for row in rows
        if not refusal(row, profile.device) and not math.isnan(row.roof_time_us)
    ]
    ranked = sorted(placed, key=lambda row: -row.roof_time_us)[:SHOWN_ROOF_TIMES]
    return Table(
        headings=("Kernel", "Op", "Bound", ">Roof time (us)", ">FLOP", ">Bytes"),
        rows=[
            [
                *_names(row),
                str(row.bound),
                significant(row.roof_time_us),
                scaled_flops(row.total_flops),
                scaled_bytes(row.total_bytes),
            ]
            for row in ranked
        ],
    )


def _crossing_table(profile: AnalyticProfile) -> Table:
    return Table(
        headings=(
            *("Kernel", "Op", ">N", ">K", ">AI at M=1", ">Limit of AI"),
            *(">Ridge", ">Compute-bound from M"),
        ),
        rows=[
            [
                Code(one.kernel),
                Code(one.op),
                str(one.n),
                str(one.k),
                significant(one.least_intensity),
                significant(one.limit_intensity),
                significant(one.ridge),
                _crosses(one),
            ]
            for one in profile.crossings
        ],
    )


def _scaling_table(profile: AnalyticProfile) -> Table:
    """Intensity and roof time at both decode sizes: what a larger batch gains."""
    small, large = REPORTED_SIZES[0], REPORTED_SIZES[1]
    at_large = {_key(row): row for row in large.select(profile.rows)}
    rows: list[list[Cell]] = []
    for row in small.select(profile.rows):
        other = at_large.get(_key(row))
        if other is None or row.roof is None:
            continue
        gain = large.batch_size * row.roof_time_us / other.roof_time_us
        rows.append(
            [
                *_names(row),
                significant(row.arithmetic_intensity),
                significant(other.arithmetic_intensity),
                significant(row.roof_time_us),
                significant(other.roof_time_us),
                significant(gain),
            ]
        )
    batches = (f"B={small.batch_size}", f"B={large.batch_size}")
    return Table(
        headings=(
            *("Kernel", "Op"),
            *(f">AI, {batch}" for batch in batches),
            *(f">Roof time, {batch} (us)" for batch in batches),
            ">Tokens/s gained (times)",
        ),
        rows=rows,
    )


def _key(row: Measurement) -> tuple[str, str, int | None]:
    return row.point.kernel, row.point.op, row.point.kv_len


def _names(row: Measurement) -> tuple[Cell, Cell]:
    kv_len = row.point.kv_len
    op = row.point.op if kv_len is None else f"{row.point.op} kv={kv_len}"
    return Code(row.point.kernel), Code(op)


def _attainable(row: Measurement) -> str:
    if row.roof is None:
        return MISSING
    if not row.total_flops:
        return f"{significant(row.roof.bytes_per_s / GIGA)} GB/s"
    return f"{significant(attainable(row) / TERA)} TFLOP/s"


def _notes(profile: AnalyticProfile, row: Measurement) -> str:
    of_op = profile.notes.get((row.point.kernel, row.point.op), "")
    return "; ".join(filter(None, (refusal(row, profile.device), of_op)))


def _crosses(one: Crossing) -> str:
    if math.isnan(one.ridge):
        return "no such datapath"
    if one.tokens is None:
        return "never"
    return f"{one.tokens:,}" if one.is_taken else f"{one.tokens:,}, which it refuses"
