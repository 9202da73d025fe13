"""Projections beside published numbers, as tables."""

from collections.abc import Sequence

from dsprof.analysis.numerals import MISSING, significant
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.analysis.report.whatif_names import MICRO, TERA, TERM_NAMES
from dsprof.analysis.whatif.published import Comparison, Published

GIGA = 1e9


def published_table(compared: Sequence[Comparison]) -> Table:
    """The rows that this profile can project, with the error of each."""
    return Table(
        headings=(
            "Published",
            "Machine",
            "Shape",
            ">Published (TFLOP/s)",
            ">Projected (TFLOP/s)",
            ">Interval (us)",
            ">Error (%)",
            "Limit there",
            "Projected from",
            "What differs",
        ),
        rows=[_row(one) for one in compared if one.projection is not None],
    )


def unprojected_table(compared: Sequence[Comparison]) -> Table:
    """The rows that it cannot, and why."""
    return Table(
        headings=("Published", "Machine", "Shape", ">Value", "Not projected because"),
        rows=[
            (
                one.published.title,
                one.published.machine,
                one.published.shape,
                _value_with_unit(one.published),
                one.why,
            )
            for one in compared
            if one.projection is None
        ],
    )


def published_notes(compared: Sequence[Comparison]) -> list[str]:
    """Where the published numbers stand, and what a machine was taken for."""
    projected = [one.published for one in compared if one.projection is not None]
    sources = dict.fromkeys(f"{row.title}: {row.source}." for row in projected)
    machines = dict.fromkeys(
        f"{row.machine}: {row.machine_note}." for row in projected if row.machine_note
    )
    return [*sources, *machines]


def _row(one: Comparison) -> tuple[Cell, ...]:
    row, projection = one.published, one.projection
    error, rate = one.error_pct, one.projected_flops_per_s
    if projection is None or rate is None:
        raise ValueError(f"{row.title} {row.shape} has no projection")
    estimate = projection.estimate
    ends = (estimate.low_s, estimate.high_s)
    return (
        row.title,
        row.machine,
        row.shape,
        _value(row),
        significant(rate / TERA),
        " to ".join(significant(end * MICRO) for end in ends),
        MISSING if error is None else f"{error:+.0f}",
        TERM_NAMES[projection.after],
        Code(one.kernel),
        one.differs,
    )


def _value_with_unit(row: Published) -> str:
    """Every rate that was published; no projection stands beside them."""
    rates = ((row.flops_per_s, TERA, "TFLOP/s"), (row.bytes_per_s, GIGA, "GB/s"))
    return ", ".join(
        f"{significant(rate / scale, 4)} {unit}" for rate, scale, unit in rates if rate
    )


def _value(row: Published) -> str:
    if row.flops_per_s is not None:
        return f"{significant(row.flops_per_s / TERA, 4)}"
    return f"{significant((row.bytes_per_s or 0) / GIGA, 4)} GB/s"
