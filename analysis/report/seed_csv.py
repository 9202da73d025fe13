"""The roofline page of a CSV file of benchmark rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from dsprof.analysis.numerals import MISSING, significant
from dsprof.analysis.report.hardware import hardware_table
from dsprof.analysis.report.markdown import Code, Table
from dsprof.analysis.report.roofline import FigureLink
from dsprof.analysis.report.template import render
from dsprof.analysis.seed_csv import SeedRow
from dsprof.analysis.seed_flags import Flag
from dsprof.harness.device import DeviceSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedCsvView:
    """Everything that seed_csv.md.j2 prints."""

    device: DeviceSpec
    source: str
    row_count: int
    figures: Sequence[FigureLink]
    hardware: Table
    placement: Table
    flags: Table
    command: str


def render_seed_csv(  # noqa: PLR0913 -- one argument a part of the page
    rows: Sequence[SeedRow],
    flags: Sequence[Flag],
    *,
    device: DeviceSpec,
    source: str,
    figures: Sequence[FigureLink],
    command: str,
) -> str:
    """The page as Markdown; ``source`` names the file, ``command`` makes it again."""
    return render(
        "seed_csv.md.j2",
        SeedCsvView(
            device=device,
            source=source,
            row_count=len(rows),
            figures=figures,
            hardware=hardware_table(device),
            placement=_placement_table(rows),
            flags=Table(
                headings=(">Line", "Row", "What cannot be true"),
                rows=[
                    [str(flag.row.line), Code(flag.row.label), flag.problem]
                    for flag in flags
                ],
            ),
            command=command,
        ),
    )


def _placement_table(rows: Sequence[SeedRow]) -> Table:
    """One row an op: the ranges that its rows state."""
    groups: dict[tuple[str, str], list[SeedRow]] = {}
    for row in rows:
        groups.setdefault((row.kernel, row.op), []).append(row)
    return Table(
        headings=(
            *("Kernel", "Op", ">Rows", ">Latency (ms)", ">AI (FLOP/byte)"),
            *("Bound", ">GFLOP/s", ">GB/s", ">Peak %"),
        ),
        rows=[
            [
                Code(kernel),
                Code(op),
                f"{len(found):,}",
                _range([row.latency_ms for row in found]),
                _range([row.intensity for row in found]),
                ", ".join(dict.fromkeys(str(row.bound) for row in found if row.bound))
                or MISSING,
                _range([row.gflops for row in found]),
                _range([row.bandwidth_gbs for row in found]),
                _range([row.peak_pct for row in found]),
            ]
            for (kernel, op), found in groups.items()
        ],
    )


def _range(values: Sequence[float | None]) -> str:
    found = [value for value in values if value is not None]
    if not found:
        return MISSING
    low, high = significant(min(found)), significant(max(found))
    return low if low == high else f"{low} to {high}"
