"""counters.md: what ncu counted, the class that follows, and whether it adds up."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.classify import DEFAULT_THRESHOLDS, Thresholds
from dsprof.analysis.counter_columns import HISTOGRAMS
from dsprof.analysis.counter_findings import (
    class_findings,
    duration_findings,
    histogram_finding,
    launch_findings,
    mean_findings,
    traffic_findings,
)
from dsprof.analysis.findings import Finding
from dsprof.analysis.merge import counter_gaps
from dsprof.analysis.numerals import plural, significant
from dsprof.analysis.report.counter_tables import (
    by_size_table,
    class_table,
    longest_table,
    mean_table,
    opinion_table,
    point_tables,
)
from dsprof.analysis.report.launch_tables import (
    flop_table,
    launch_table,
    name_table,
    traffic_table,
)
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.analysis.report.metric_table import metric_table
from dsprof.analysis.report.roofline import FigureLink
from dsprof.analysis.report.template import render
from dsprof.analysis.shown_rows import cache_states, launch_count, state_title
from dsprof.harness.profile import Profile

if TYPE_CHECKING:
    import pandas as pd

HASH_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramPart:
    """A figure of histograms and a sentence a panel."""

    title: str
    figure: FigureLink | None
    findings: list[Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountersView:
    """Everything that counters.md.j2 prints."""

    profile: Profile
    rows: str
    thresholds: Thresholds
    captures: Table
    commands: list[str]
    gaps: Table
    imported: Table
    missing: Table
    classes: Table
    class_findings: list[Finding]
    opinions: Table
    by_size: Table
    means: dict[str, Table]
    mean_findings: list[Finding]
    definitions: Table
    longest: Table
    duration_findings: list[Finding]
    rooflines: Sequence[FigureLink]
    histograms: list[HistogramPart]
    traffic: Table
    flops: Table
    traffic_findings: list[Finding]
    launches: Table
    launch_findings: list[Finding]
    points: dict[str, Table]
    names: Table


def render_counters(
    profile: Profile,
    frame: "pd.DataFrame",
    *,
    rooflines: Sequence[FigureLink] = (),
    histograms: "dict[str, FigureLink] | None" = None,
) -> str:
    """The page as Markdown; ``frame`` is the merged one with friendly names.

    ``histograms`` has the figure of each group, by its name.
    """
    links = histograms or {}
    view = CountersView(
        profile=profile,
        rows=_row_words(profile, frame),
        thresholds=DEFAULT_THRESHOLDS,
        captures=_capture_table(profile),
        commands=[capture.command for capture in profile.captures],
        gaps=_gap_table(profile),
        imported=_imported_table(profile),
        missing=_missing_table(profile),
        classes=class_table(frame),
        class_findings=class_findings(frame),
        opinions=opinion_table(frame),
        by_size=by_size_table(frame),
        means={
            state_title(state): mean_table(frame, state)
            for state in cache_states(frame)
        },
        mean_findings=mean_findings(frame),
        definitions=metric_table(profile),
        longest=longest_table(frame),
        duration_findings=duration_findings(frame),
        rooflines=rooflines,
        histograms=[
            HistogramPart(
                title=group.title,
                figure=links.get(group.name),
                findings=[histogram_finding(frame, one) for one in group.counters],
            )
            for group in HISTOGRAMS
        ],
        traffic=traffic_table(frame),
        flops=flop_table(frame),
        traffic_findings=traffic_findings(frame, profile.device),
        launches=launch_table(frame),
        launch_findings=launch_findings(frame),
        points=point_tables(frame),
        names=name_table(profile),
    )
    return render("counters.md.j2", view)


def _row_words(profile: Profile, frame: "pd.DataFrame") -> str:
    """For example ``12 rows of 14 launches``."""
    return f"{plural(len(frame), 'row')} of {launch_count(profile)}"


def _capture_table(profile: Profile) -> Table:
    return Table(
        headings=(
            *("L2", "Started", "ncu", ">Points", ">Launches", ">Most passes"),
            *(">Took (s)", ">Without counters"),
        ),
        rows=[
            (
                str(capture.cache),
                capture.started,
                capture.ncu_version,
                f"{capture.points:,}",
                f"{capture.launches:,}",
                f"{capture.max_passes}",
                significant(capture.wall_s),
                f"{len(capture.gaps):,}",
            )
            for capture in profile.captures
        ],
    )


def _gap_table(profile: Profile) -> Table:
    """Points without counters by kernel, status and reason."""
    counts = Counter(
        (gap.label.partition("/")[0], gap.status, gap.reason)
        for gap in counter_gaps(profile)
    )
    rows: list[list[Cell]] = [
        [Code(kernel), str(status), reason, f"{count:,}"]
        for (kernel, status, reason), count in counts.items()
    ]
    return Table(headings=("Kernel", "Status", "Reason", ">Points"), rows=rows)


def _imported_table(profile: Profile) -> Table:
    return Table(
        headings=("File", "Format", ">Launches", "SHA-256", "Notes"),
        rows=[
            (
                Code(file.name),
                file.format,
                f"{file.launches:,}",
                Code(file.sha256[:HASH_DIGITS]),
                "; ".join(file.notes),
            )
            for file in profile.imported
        ],
    )


def _missing_table(profile: Profile) -> Table:
    """Counters that launches lack, and why."""
    counts = Counter(
        (name, reason)
        for one in profile.counters
        for name, reason in one.missing.items()
    )
    rows: list[list[Cell]] = [
        [Code(name), reason, f"{count:,} of {len(profile.counters):,}"]
        for (name, reason), count in counts.most_common()
    ]
    return Table(headings=("Counter", "Reason", ">Launches"), rows=rows)
