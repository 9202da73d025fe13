"""How times grow with batch, sequence and tokens, as tables."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsprof.analysis import scaling
from dsprof.analysis.numerals import MISSING, significant
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.analysis.scaling import Series, phase_series
from dsprof.harness.records import Cache, Phase

if TYPE_CHECKING:
    import pandas as pd


def swept_series(frame: "pd.DataFrame", phase: Phase) -> list[Series]:
    """Series over the batch size in decode, and over the length at B=1 in prefill."""
    return phase_series(frame, phase, None if phase is Phase.DECODE else 1)


def time_table(series: Sequence[Series], phase: Phase, cache: Cache) -> Table:
    """Medians in microseconds: a row an op, a column a batch or a sequence length.

    Decode has a column for each batch size, prefill one for each length at B=1:
    ``series`` are those of ``swept_series`` in the phase.
    """
    letter = "B" if phase is Phase.DECODE else "S"
    columns = sorted({size.tokens for one in series for size in one.sizes})
    rows = []
    for one in series:
        times = {size.tokens: size.time_us(cache) for size in one.sizes}
        numbers = [significant(times.get(tokens, math.nan)) for tokens in columns]
        if any(number != MISSING for number in numbers):
            rows.append([*_names(one), *numbers])
    headings = ("Kernel", "Op", *(f">{letter}={tokens}" for tokens in columns))
    return Table(headings=headings, rows=rows)


def growth_table(frame: "pd.DataFrame", phase: Phase) -> Table:
    """Growth between the ends of a phase's sweep: factor of tokens, time, exponent."""
    letter = "B" if phase is Phase.DECODE else "S"
    rows: list[list[Cell]] = []
    for one in swept_series(frame, phase):
        first, last = one.sizes[0], one.sizes[-1]
        if first.tokens == last.tokens:
            continue
        rows.append(
            [
                *_names(one),
                f"{letter}={first.tokens} to {last.tokens}",
                *(
                    f"{significant(first.time_us(cache))} to "
                    f"{significant(last.time_us(cache))}"
                    for cache in Cache
                ),
                *(_exponent(scaling.exponent(first, last, cache)) for cache in Cache),
                _exponent(scaling.roof_exponent(first, last)),
                _throughput_gain(one),
            ]
        )
    return Table(
        headings=(
            "Kernel",
            "Op",
            "Range",
            *(f">{cache.capitalize()} (us)" for cache in Cache),
            *(f">Exponent {cache}" for cache in Cache),
            ">Exponent of the spec roof time",
            ">Tokens/s gained, cold (times)",
        ),
        rows=rows,
    )


def floor_table(frame: "pd.DataFrame") -> Table:
    """The flat start of each series, where it ends, and the slope of the last step."""
    rows: list[list[Cell]] = []
    for one in scaling.token_series(frame):
        cells: list[Cell] = [*_names(one)]
        for cache in Cache:
            start = scaling.floor(one, cache)
            cells += [
                MISSING if start is None else significant(start.time_us),
                MISSING if start is None else _left_at(start),
                _exponent(_last_exponent(one, cache)),
            ]
        rows.append([*cells, _exponent(_last_roof_exponent(one))])
    headings = [
        heading
        for cache in Cache
        for heading in (
            f">Start, {cache} (us)",
            f">Left at, {cache} (tokens)",
            f">Last exponent, {cache}",
        )
    ]
    return Table(
        headings=("Kernel", "Op", *headings, ">Last exponent, spec roof"), rows=rows
    )


def _names(series: Series) -> list[Cell]:
    op = " ".join(filter(None, (series.op, series.detail)))
    return [Code(series.kernel), Code(op)]


def _left_at(start: scaling.Floor) -> str:
    if start.left_at_tokens is None:
        return f"not by {start.last_tokens:,}"
    return f"{start.left_at_tokens:,}"


def _exponent(value: float) -> str:
    # Adding zero turns a rounded -0.0 into 0.0.
    return MISSING if math.isnan(value) else f"{round(value, 2) + 0.0:.2f}"


def _throughput_gain(series: Series) -> str:
    first, last = series.sizes[0], series.sizes[-1]
    return significant((last.tokens / last.cold_us) / (first.tokens / first.cold_us), 3)


def _last_exponent(series: Series, cache: Cache) -> float:
    if len(series.sizes) == 1:
        return math.nan
    return scaling.exponent(series.sizes[-2], series.sizes[-1], cache)


def _last_roof_exponent(series: Series) -> float:
    if len(series.sizes) == 1:
        return math.nan
    return scaling.roof_exponent(series.sizes[-2], series.sizes[-1])
