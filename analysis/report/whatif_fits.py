"""What the fits of the kernels found, and how far they are off, as tables."""

from collections.abc import Iterable, Mapping, Sequence
from math import isnan

from dsprof.analysis.numerals import MISSING, rated, significant
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.analysis.report.whatif_names import MICRO, TERM_NAMES
from dsprof.analysis.whatif.fit import Fits, KernelFit
from dsprof.analysis.whatif.kernel_fit import RESOURCES
from dsprof.analysis.whatif.left_out import (
    LONG_S,
    SEEN_TOKENS,
    UNSEEN_TOKENS,
    Errors,
    LeftOutPoint,
    errors,
)

ALL = "all kernels"


def left_out_line(fits: Fits) -> str:
    """The error over all kernels in one sentence, with the number of points."""
    every, far = joined(fits.left_out), joined(fits.extrapolated)
    return (
        f"Left-out error, {fits.cache}, points of equal token count left out together: "
        f"median {_words(errors(every))}; {rated(LONG_S * MICRO)} us and more: "
        f"{_words(errors(every, least_s=LONG_S))}; fitted on {SEEN_TOKENS:,} tokens "
        f"and fewer, from {UNSEEN_TOKENS:,} tokens on: {_words(errors(far))}."
    )


def left_out_table(fits: Fits) -> Table:
    """A kernel's error on points that its fit has not seen; all kernels come last.

    Empty where nothing could be left out.
    """
    rows = [
        _error_row(Code(kernel), points, fits.extrapolated.get(kernel, ()))
        for kernel, points in fits.left_out.items()
        if points
    ]
    every = _error_row(ALL, joined(fits.left_out), joined(fits.extrapolated))
    return Table(
        headings=(
            "Kernel",
            ">Points",
            ">Median (%)",
            ">p90 (%)",
            f">Of {rated(LONG_S * MICRO)} us and more",
            ">Median (%)",
            f">Of {UNSEEN_TOKENS:,} tokens and more",
            f">Median from T <= {SEEN_TOKENS:,} (%)",
        ),
        rows=[*rows, every] if rows else [],
    )


def fit_table(fits: Fits) -> Table:
    """What each kernel reaches of the rated resources, and its fixed part."""
    return Table(
        headings=(
            "Kernel",
            ">Points",
            *(f">{TERM_NAMES[term]} (% of rated)" for term in RESOURCES),
            ">Row (ns)",
            ">Fixed (us a launch)",
            "Never reached",
            "Note",
        ),
        rows=[_fit_row(fit) for fit in fits.kernels.values()],
    )


def without_fit_table(fits: Fits) -> Table:
    """Kernels of the profile that have no fit, and why."""
    kernels: dict[str, list[str]] = {}
    for kernel, reason in fits.reasons.items():
        kernels.setdefault(reason, []).append(kernel)
    return Table(
        headings=("Kernels", "Without a fit because"),
        rows=[(", ".join(names), reason) for reason, names in kernels.items()],
    )


def joined(points: Mapping[str, Iterable[LeftOutPoint]]) -> list[LeftOutPoint]:
    """The points of all kernels."""
    return [point for own in points.values() for point in own]


def _fit_row(fit: KernelFit) -> tuple[Cell, ...]:
    never = fit.not_identified
    return (
        Code(fit.kernel),
        f"{fit.points:,}",
        *(
            MISSING
            if term in never or fit.slowdown[term] == 1.0
            else significant(100 / fit.slowdown[term])
            for term in RESOURCES
        ),
        significant(fit.row_s * 1e9) if fit.row_s else MISSING,
        significant(fit.fixed_s * MICRO),
        ", ".join(TERM_NAMES[term] for term in never) or MISSING,
        fit.reason,
    )


def _error_row(
    name: Cell, points: Sequence[LeftOutPoint], far: Sequence[LeftOutPoint]
) -> tuple[Cell, ...]:
    every, long = errors(points), errors(points, least_s=LONG_S)
    beyond = errors(far)
    return (
        name,
        f"{every.points:,}",
        significant(every.median_pct),
        significant(every.p90_pct),
        f"{long.points:,}",
        significant(long.median_pct),
        f"{beyond.points:,}",
        significant(beyond.median_pct),
    )


def _words(found: Errors) -> str:
    if isnan(found.median_pct):
        return "no point"
    return f"{significant(found.median_pct)} % of {found.points:,} points"
