"""Points against each named roof: percentages, and what lies beyond one."""

from collections.abc import Sequence
from dataclasses import dataclass

from dsprof.analysis.numerals import MISSING, scaled_bytes, significant
from dsprof.analysis.report.markdown import Code, Table
from dsprof.analysis.roofline import Placement, Position, place, place_all
from dsprof.analysis.roofs import RoofKind, roof_name, roofs
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Measurement, Roof

SHOWN_KINDS = (RoofKind.SPEC, RoofKind.BURST)  # points are timed in bursts


@dataclass(frozen=True, slots=True, kw_only=True)
class AboveRoof:
    """The timings beyond one roof."""

    roof: str  # its name
    table: Table


def above_roof(profile: Profile, rows: Sequence[Measurement]) -> list[AboveRoof]:
    """Timings beyond the rated roof, and those beyond the burst's alone; none empty."""
    found: dict[RoofKind, list[Placement]] = {kind: [] for kind in SHOWN_KINDS}
    placed = [
        placement
        for cache in Cache
        for placement in place_all(rows, cache, l2_bytes=profile.device.l2_bytes)
    ]
    for placement in placed:
        for kind in SHOWN_KINDS:
            held = against(profile, kind, placement)
            if held is not None and held.position is not Position.UNDER:
                found[kind].append(held)
                break
    return [
        AboveRoof(
            roof=roof_name(kind, profile.device),
            table=_above_table(placements, roof_name(kind, profile.device)),
        )
        for kind, placements in found.items()
        if placements
    ]


def _above_table(placements: Sequence[Placement], roof: str) -> Table:
    """Farthest first, with what explains it."""
    return Table(
        headings=("Point", "L2", "Bound", ">Traffic", f">% of {roof}", "State"),
        rows=[
            (
                Code(placement.measurement.point.label),
                str(placement.cache),
                str(placement.measurement.bound),
                scaled_bytes(placement.measurement.total_bytes),
                significant(placement.share_pct),
                str(placement.position),
            )
            for placement in sorted(placements, key=lambda one: -one.share_pct)
        ],
    )


def shown_kinds(profile: Profile) -> list[RoofKind]:
    """Roofs to compare with: the rated one, and the burst's where it was measured."""
    return [
        kind
        for kind in SHOWN_KINDS
        if kind is RoofKind.SPEC
        or any(kind in roofs(profile, path) for path in profile.device.flops_per_s)
    ]


def against(profile: Profile, kind: RoofKind, placement: Placement) -> Placement | None:
    """The same point under another roof; None where that was not measured."""
    if kind is RoofKind.SPEC:
        return placement
    row = placement.measurement
    roof: Roof | None = roofs(profile, row.datapath).get(kind)
    if roof is None:
        return None
    return place(row, placement.cache, l2_bytes=profile.device.l2_bytes, roof=roof)


def share(profile: Profile, kind: RoofKind, placement: Placement | None) -> str:
    held = None if placement is None else against(profile, kind, placement)
    return MISSING if held is None else significant(held.share_pct)
