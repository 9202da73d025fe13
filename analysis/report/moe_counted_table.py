"""The table of moe.md about what ncu counted in whole pipelines."""

from dsprof.analysis.moe.counted import CountedPart, counted_calls
from dsprof.analysis.moe.study import Study
from dsprof.analysis.numerals import MISSING, scaled_bytes, significant
from dsprof.analysis.report.markdown import Cell, Code, Table

HZ_PER_MHZ = 1e6


def counted_table(study: Study) -> Table:
    """DRAM bytes beside the least ones, and how busy DRAM and tensor cores were."""
    rows: list[tuple[Cell, ...]] = [
        (
            Code(call.reached.curve.name),
            f"{call.reached.point.tokens:,}",
            part.part,
            significant(part.time_us),
            *_bytes(part),
            _percent(part.mean(lambda one: one.dram_pct)),
            _percent(part.mean(lambda one: one.tensor_pipe_pct)),
            _percent(part.mean(lambda one: one.l2_hit_pct)),
            _clock(part),
        )
        for call in counted_calls(study)
        for part in call.parts
    ]
    return Table(
        headings=(
            *("Pipeline", ">T", "Part", ">Under ncu (us)"),
            *(">DRAM bytes", ">Least bytes", ">DRAM / least"),
            *(">DRAM (% of peak)", ">Tensor pipe (% of cycles)", ">L2 hits (%)"),
            ">SM clock (MHz)",
        ),
        rows=rows,
    )


def _bytes(part: CountedPart) -> tuple[str, str, str]:
    least = scaled_bytes(part.least_bytes)
    if part.dram_bytes is None:
        return MISSING, least, MISSING
    ratio = significant(part.dram_bytes / part.least_bytes)
    return scaled_bytes(part.dram_bytes), least, ratio


def _percent(value: float | None) -> str:
    return MISSING if value is None else significant(value)


def _clock(part: CountedPart) -> str:
    clock_hz = part.mean(lambda one: one.sm_clock_hz)
    return MISSING if clock_hz is None else f"{clock_hz / HZ_PER_MHZ:,.0f}"
