"""summary.md: what was run, on what, and how long each part of the layer takes."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.findings import Finding, find
from dsprof.analysis.frames import measurements_frame
from dsprof.analysis.numerals import plural, significant
from dsprof.analysis.report.hardware import hardware_table
from dsprof.analysis.report.kernel_tables import kernel_table, limits_table
from dsprof.analysis.report.layer_section import (
    TitledTable,
    headroom_rankings,
    layer_scaling,
)
from dsprof.analysis.report.markdown import Code, Table
from dsprof.analysis.report.method import method_notes, method_table, noise_table
from dsprof.analysis.report.scaling_tables import swept_series, time_table
from dsprof.analysis.report.slot_table import slot_table
from dsprof.analysis.report.template import render
from dsprof.analysis.shown_rows import launch_count
from dsprof.analysis.sizes import REPORTED_SIZES
from dsprof.analysis.slots import Sum, fill_slots, sum_slots
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    Phase,
    Status,
)

if TYPE_CHECKING:
    import pandas as pd

COUNTERS_COMMAND = "dsprof ncu --all --cache both -o PROFILE"
PROGRAM_COUNTERS_COMMAND = "dsprof nsys --ncu -o PROFILE -- PROGRAM..."
REPORT_COMMAND = "dsprof report PROFILE --output DIR"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeSection:
    """The layer at one reported size."""

    title: str
    slots: Table
    sums: dict[Cache, Sum]
    missing: tuple[str, ...]  # slots that no cache state has a time of


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryView:
    """Everything that summary.md.j2 prints."""

    profile: Profile
    counters: str
    counters_command: str
    recorded: str
    run: str
    timed_kernels: int
    listed_kernels: int
    statuses: str
    findings: list[Finding]
    hardware: Table
    environment: Table
    kernels: Table
    limits: Table
    model: Table
    sizes: list[SizeSection]
    noise: Table
    largest_difference_pct: float
    method_notes: list[str]
    method: Table
    layer_scaling: list[TitledTable]
    headroom: list[TitledTable]
    scaling: list[tuple[str, Table]]
    example_command: str
    again: str

    @property
    def has_layer(self) -> bool:
        """Whether a step of the layer has a time, or was planned and has none."""
        planned = {row.point.kernel for row in self.profile.measurements}
        steps = {slot.kernel for slot in self.profile.slots}
        return bool(self.layer_scaling or planned & steps or not planned)


def render_summary(profile: Profile, frame: "pd.DataFrame | None" = None) -> str:
    """The summary as Markdown.

    ``frame`` is the profile's measurements_frame, where the caller has it already.
    """
    if frame is None:
        frame = measurements_frame(profile)
    return render("summary.md.j2", _view(profile, frame))


def recorded(profile: Profile) -> str:
    """When the run was made, or why that is not known."""
    if profile.summary is None:
        return "not known: the run was cut off before its summary was written"
    return profile.summary.started


def status_counts(profile: Profile) -> str:
    """For example ``430 ok, 46 out_of_limit``."""
    counts = Counter(row.status for row in profile.measurements)
    return ", ".join(
        f"{counts[status]:,} {status}" for status in Status if counts[status]
    )


def _view(profile: Profile, frame: "pd.DataFrame") -> SummaryView:
    timed = {
        row.point.kernel for row in profile.measurements if row.status is Status.OK
    }
    listed = [entry.name for entry in profile.catalogue]
    example = next(
        (row.command for row in profile.measurements if row.status is Status.OK), ""
    )
    return SummaryView(
        profile=profile,
        counters=_counters(profile),
        counters_command=(
            PROGRAM_COUNTERS_COMMAND if profile.timelines else COUNTERS_COMMAND
        ),
        recorded=recorded(profile),
        run=_run(profile),
        timed_kernels=len(timed.intersection(listed)),
        listed_kernels=len(listed),
        statuses=status_counts(profile),
        findings=find(profile),
        hardware=hardware_table(profile.device),
        environment=_environment_table(profile),
        kernels=kernel_table(profile),
        limits=limits_table(profile),
        model=Table(
            headings=("Parameter", ">Value", "Symbol"),
            rows=[
                (Code(part.name), f"{part.value}", part.symbol)
                for part in profile.model
            ],
        ),
        sizes=_size_sections(profile),
        noise=noise_table(profile),
        largest_difference_pct=max(
            (repeat.difference_pct for repeat in profile.repeats), default=0.0
        ),
        method_notes=method_notes(profile),
        method=method_table(profile),
        layer_scaling=layer_scaling(profile),
        headroom=headroom_rankings(profile),
        scaling=[
            (f"{title}, {cache} L2 (us)", table)
            for phase, title in (
                (Phase.DECODE, "Batch scaling: decode, S=1"),
                (Phase.PREFILL, "Sequence scaling: prefill, B=1"),
            )
            for series in [swept_series(frame, phase)]
            for cache in Cache
            for table in [time_table(series, phase, cache)]
            if table.rows
        ],
        example_command=example,
        again="\n".join(filter(None, (example, REPORT_COMMAND))),
    )


def _counters(profile: Profile) -> str:
    """What ncu counted; empty where it counted nothing."""
    if not profile.counters:
        return ""
    points = len({one.label for one in profile.counters if one.label})
    of_points = f" of {plural(points, 'point')}" if points else ""
    return f"{launch_count(profile)} under ncu{of_points}"


def _run(profile: Profile) -> str:
    """How long the run took, for how many points, and how busy the GPU was."""
    summary = profile.summary
    if summary is None:
        return ""
    busy = summary.gpu_busy_pct
    share = "" if busy is None else f", GPU busy {significant(busy)} % of it"
    points = plural(summary.points, "point")
    return f"{significant(summary.wall_s)} s for {points}{share}"


def _environment_table(profile: Profile) -> Table:
    return Table(
        headings=("Part", "Version or value"),
        rows=[
            (Code(name), "none" if value is None else value)
            for name, value in profile.environment.items()
        ],
    )


def _size_sections(profile: Profile) -> list[SizeSection]:
    sections = []
    for size in REPORTED_SIZES:
        filled = fill_slots(profile, size)
        sums = {cache: sum_slots(filled, cache) for cache in Cache}
        timed = {entry.call for entry in filled if entry.missing == ""}
        sections.append(
            SizeSection(
                title=size.title[0].upper() + size.title[1:],
                slots=slot_table(profile, filled),
                sums=sums,
                missing=tuple(
                    dict.fromkeys(
                        entry.call.label for entry in filled if entry.call not in timed
                    )
                ),
            )
        )
    return sections
