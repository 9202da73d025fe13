"""Prints a timeline: its kernels, their shares, and what the wall time is made of."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsprof.analysis.timeline_frame import (
    coverage_pct,
    family_shares,
    kernels_frame,
    library_shares,
    reconcile,
)
from dsprof.harness.ncu_program import ProgramCounters
from dsprof.harness.ncu_selection import KernelCoverage
from dsprof.harness.timeline import WHOLE, Timeline

if TYPE_CHECKING:
    import pandas as pd

PIPED_WIDTH = 180  # columns of a table that no terminal bounds
US_NS, MS_NS = 1e3, 1e6
SHOWN_RANGES = 12
NUMBERS = ("time %", "total ms", "count", "mean us", "median", "min", "max")


def print_timeline(
    timeline: Timeline, results: Sequence[ProgramCounters], top: int
) -> None:
    """Everything a reader needs at once; ``results`` are of the ranges, in order."""
    names = _names(timeline)
    for position, name in enumerate(names):
        result = results[position] if results else None
        _print_range(timeline, name, top, result)
    for note in timeline.notes:
        click.echo(f"Note: {note}.")
    if names == [WHOLE] and timeline.seen_ranges:
        shown = ", ".join(f"'{name}'" for name in timeline.seen_ranges[:SHOWN_RANGES])
        click.echo(f"Ranges that occur, for --range: {shown}.")


def _names(timeline: Timeline) -> list[str]:
    return [time.name for time in timeline.ranges if time.name] or [WHOLE]


def _print_range(
    timeline: Timeline, name: str, top: int, result: ProgramCounters | None
) -> None:
    from rich.console import Console

    frame = kernels_frame(timeline, name)
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH)
    time = timeline.range_time(name)
    where = f"range '{name}'" if name else "the whole recording"
    count = time.instances if time else 0
    what = f"{where} ({count} x)" if name else where
    mode = f", {timeline.mode}" if timeline.mode else ""
    click.echo(f"{what}, {len(frame)} kernels by name{mode}")
    console.print(_table(frame.head(top), result))
    shown = min(top, len(frame))
    click.echo(
        f"top {shown} = {coverage_pct(frame, shown):.1f} % of GPU time in {where}"
    )
    click.echo(f"families: {_shares(family_shares(frame), 'family')}")
    click.echo(f"libraries: {_shares(library_shares(frame), 'library')}")
    click.echo(reconcile(timeline, name))
    if result is not None:
        _print_counts(result)


def _table(frame: "pd.DataFrame", result: ProgramCounters | None) -> Any:  # noqa: ANN401 -- rich's
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in NUMBERS:
        table.add_column(heading, justify="right", no_wrap=True)
    if result is not None:
        table.add_column("counted", justify="right", no_wrap=True)
    table.add_column("library", no_wrap=True)
    table.add_column("kernel", overflow="fold")
    counted = (
        {row.kernel_name: _counted(row) for row in result.coverage} if result else {}
    )
    for row in frame.to_dict("records"):
        cells = [f"{row['share_pct']:.1f}", f"{row['total_ns'] / MS_NS:.3f}"]
        cells.append(str(row["instances"]))
        cells += [
            f"{row[name] / US_NS:.1f}"
            for name in ("mean_ns", "median_ns", "min_ns", "max_ns")
        ]
        if result is not None:
            cells.append(counted.get(row["kernel_name"], "-"))
        cells += [escape(row["library"]), escape(row["friendly"])]
        table.add_row(*cells)
    return table


def _counted(row: KernelCoverage) -> str:
    """The share of a kernel's time that its profiled configurations stand for."""
    if not row.profiled:
        return "-"
    return f"{100 * row.profiled_ns / max(row.total_ns, 1):.0f} %"


def _shares(frame: "pd.DataFrame", by: str) -> str:
    parts = zip(frame[by], frame["share_pct"], strict=True)
    return ", ".join(f"{name} {share:.1f} %" for name, share in parts)


def _print_counts(result: ProgramCounters) -> None:
    click.echo(counts_line(result))
    for gap in result.gaps:
        click.echo(f"{gap.label}: {gap.status}: {gap.reason}")


def counts_line(result: ProgramCounters) -> str:
    """How many of the kernels have counters, and of how much of their time."""
    counted = [row for row in result.coverage if row.profiled]
    excluded = {gap.label for gap in result.gaps} - {
        row.kernel_name for row in result.coverage
    }
    asked = len(result.coverage) + len(excluded)
    line = f"{len(counted)} of {asked} kernels with counters"
    total_ns = sum(row.total_ns for row in counted)
    if not total_ns:
        return f"{line}."
    share = 100 * sum(row.profiled_ns for row in counted) / total_ns
    least = min(100 * row.profiled_ns / max(row.total_ns, 1) for row in counted)
    return (
        f"{line}; profiled configurations cover {share:.1f} % of their time, and of "
        f"each at least {least:.1f} %."
    )


def timeline_json(
    timeline: Timeline, results: Sequence[ProgramCounters], top: int, path: Path
) -> str:
    """The same as a JSON object."""
    ranges = []
    for position, name in enumerate(_names(timeline)):
        frame = kernels_frame(timeline, name)
        entry: dict[str, Any] = {
            "range": name,
            "coverage_pct": coverage_pct(frame, top),
            "kernels": frame.head(top).to_dict("records"),
            "families": family_shares(frame).to_dict("records"),
            "libraries": library_shares(frame).to_dict("records"),
            "reconciliation": reconcile(timeline, name),
        }
        if results:
            entry["counters"] = _counts_json(results[position])
        ranges.append(entry)
    found = {
        "profile": str(path),
        "tool": str(timeline.tool),
        "program": timeline.program,
        "mode": timeline.mode,
        "seen_ranges": list(timeline.seen_ranges),
        "notes": list(timeline.notes),
        "ranges": ranges,
    }
    return json.dumps(found, indent=1)


def _counts_json(result: ProgramCounters) -> dict[str, Any]:
    return {
        "kernels": [
            {
                "kernel_name": row.kernel_name,
                "configurations": row.configurations,
                "profiled": row.profiled,
                "total_ns": row.total_ns,
                "profiled_ns": row.profiled_ns,
            }
            for row in result.coverage
        ],
        "gaps": [
            {"kernel_name": gap.label, "status": str(gap.status), "reason": gap.reason}
            for gap in result.gaps
        ],
    }
