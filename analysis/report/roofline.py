"""roofline.md: what limits each kernel, by how much, and where time can be won."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.frames import measurements_frame
from dsprof.analysis.report.hardware import hardware_table
from dsprof.analysis.report.markdown import Table
from dsprof.analysis.report.roofline_above import AboveRoof, above_roof
from dsprof.analysis.report.roofline_ceilings import ceiling_table, roof_table
from dsprof.analysis.report.roofline_tables import (
    bottleneck_table,
    intensity_table,
    opportunity_table,
    placement_table,
    timed_rows,
)
from dsprof.analysis.report.scaling_tables import floor_table, growth_table
from dsprof.analysis.report.summary import recorded
from dsprof.analysis.report.template import render
from dsprof.analysis.roofline import Placement, by_bound, place_all, share_of_time_pct
from dsprof.analysis.roofs import RoofKind, roof_name
from dsprof.analysis.scaling import FLOOR_FACTOR
from dsprof.analysis.sizes import REPORTED_SIZES, ProblemSize
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Bound,
    Cache,
    Measurement,
    Phase,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureLink:
    """A figure beside the report: its relative path and what it shows."""

    path: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundShare:
    """The points of one size under one roof."""

    bound: Bound
    names: tuple[str, ...]
    time_pct: float  # of all placed points of the size


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeSection:
    """What limits the layer at one reported size, judged by one cache state."""

    title: str
    cache: Cache
    total_us: float
    bounds: tuple[BoundShare, ...]
    bottlenecks: Table
    opportunities: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class RooflineView:
    """Everything that roofline.md.j2 prints."""

    profile: Profile
    recorded: str
    figures: Sequence[FigureLink]
    hardware: Table
    spec: str  # the name of the roof that decides bounds and headroom
    ceilings: Table
    roofs: Table
    placement: Table
    intensity: Table
    sizes: list[SizeSection]
    growth: dict[str, Table]
    floor: Table
    floor_pct: float
    above: list[AboveRoof]


def render_roofline(
    profile: Profile,
    figures: Sequence[FigureLink],
    frame: "pd.DataFrame | None" = None,
) -> str:
    """The roofline report as Markdown, with the figures that lie beside it.

    ``frame`` is the profile's measurements_frame, where the caller has it already.
    """
    if frame is None:
        frame = measurements_frame(profile)
    view = RooflineView(
        profile=profile,
        recorded=recorded(profile),
        figures=figures,
        hardware=hardware_table(profile.device),
        spec=roof_name(RoofKind.SPEC, profile.device),
        ceilings=ceiling_table(profile.ceilings, profile.device),
        roofs=roof_table(profile),
        placement=placement_table(profile),
        intensity=intensity_table(profile),
        sizes=[_section(profile, size) for size in REPORTED_SIZES],
        growth={
            "Batch scaling (decode)": growth_table(frame, Phase.DECODE),
            "Sequence scaling (prefill, B=1)": growth_table(frame, Phase.PREFILL),
        },
        floor=floor_table(frame),
        floor_pct=100 * (FLOOR_FACTOR - 1),
        above=above_roof(profile, timed_rows(profile)),
    )
    return render("roofline.md.j2", view)


def _section(profile: Profile, size: ProblemSize) -> SizeSection:
    rows = size.select(timed_rows(profile))
    cache, placed = _place_cold_or_warm(profile, rows)
    total = [placement.time_us for placement in placed]
    times = {id(one.measurement): one.time_us for one in placed}
    return SizeSection(
        title=size.title[0].upper() + size.title[1:],
        cache=cache,
        total_us=sum(total),
        bounds=tuple(
            BoundShare(
                bound=bound,
                names=tuple(_name(row) for row in found),
                time_pct=share_of_time_pct((times[id(row)] for row in found), total),
            )
            for bound, found in by_bound(one.measurement for one in placed).items()
        ),
        bottlenecks=bottleneck_table(profile, placed),
        opportunities=opportunity_table(profile, placed),
    )


def _place_cold_or_warm(
    profile: Profile, rows: Sequence[Measurement]
) -> tuple[Cache, list[Placement]]:
    """Cold placements, which HBM bounds; warm ones if the run has no cold time."""
    l2_bytes = profile.device.l2_bytes
    cold = place_all(rows, Cache.COLD, l2_bytes=l2_bytes)
    if cold:
        return Cache.COLD, cold
    return Cache.WARM, place_all(rows, Cache.WARM, l2_bytes=l2_bytes)


def _name(row: Measurement) -> str:
    return f"{row.point.kernel} {row.point.op}"
