"""Where each op lies under the roofs, as tables: placement, bottlenecks, headroom."""

from collections.abc import Sequence

from dsprof.analysis.numerals import MISSING, scaled_bytes, scaled_flops, significant
from dsprof.analysis.report.hardware import GIGA, TERA, datapath_name
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.analysis.report.roofline_above import share, shown_kinds
from dsprof.analysis.roofline import (
    Placement,
    by_op,
    opportunities,
    place,
    share_of_time_pct,
)
from dsprof.analysis.roofs import RoofKind, roof_name
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Bound,
    Cache,
    Measurement,
    Status,
)

SHOWN_OPPORTUNITIES = 10


def timed_rows(profile: Profile) -> list[Measurement]:
    """Points with a time, a roof and known traffic."""
    return [
        row
        for row in profile.measurements
        if row.status is Status.OK and row.roof is not None and row.total_bytes
    ]


def placement_table(profile: Profile) -> Table:
    """One row an op: its intensities, and its largest timed point under the roofs."""
    kinds = shown_kinds(profile)
    l2_bytes = profile.device.l2_bytes
    rows: list[list[Cell]] = []
    for (kernel, op), found in by_op(timed_rows(profile)).items():
        largest = found[-1]
        placed = [place(largest, cache, l2_bytes=l2_bytes) for cache in Cache]
        rows.append(
            [
                Code(kernel),
                Code(op),
                _intensity_range(found),
                _bounds(found),
                datapath_name(largest.datapath) if largest.flops else MISSING,
                f"{largest.point.tokens:,}",
                _attainable(largest),
                *(_achieved(placement) for placement in placed),
                *(
                    share(profile, kind, placement)
                    for kind in kinds
                    for placement in placed
                ),
            ]
        )
    return Table(
        headings=(
            "Kernel",
            "Op",
            ">AI (FLOP/byte)",
            "Bound",
            "Datapath",
            ">At tokens",
            ">Attainable",
            *(f">Achieved {cache}" for cache in Cache),
            *(
                f">% of {roof_name(kind, profile.device)}, {cache}"
                for kind in kinds
                for cache in Cache
            ),
        ),
        rows=rows,
    )


def intensity_table(profile: Profile) -> Table:
    """FLOP, bytes and their ratio at each op's smallest and largest planned size."""
    known = [row for row in profile.measurements if row.total_bytes]
    rows: list[list[Cell]] = []
    for (kernel, op), found in by_op(known).items():
        cells: list[Cell] = [Code(kernel), Code(op)]
        for row in (found[0], found[-1]):
            cells += [
                f"{row.point.tokens:,}",
                scaled_flops(row.total_flops),
                scaled_bytes(row.total_bytes),
                significant(row.arithmetic_intensity),
            ]
        rows.append(cells)
    ends = [
        f">{heading}, {end}"
        for end in ("least", "most")
        for heading in ("Tokens", "FLOP", "Bytes", "AI")
    ]
    return Table(headings=("Kernel", "Op", *ends), rows=rows)


def bottleneck_table(profile: Profile, placements: Sequence[Placement]) -> Table:
    """Placed points of one size, longest first, each with its share of their time."""
    kinds = shown_kinds(profile)
    spec = roof_name(RoofKind.SPEC, profile.device)
    times = [placement.time_us for placement in placements]
    return Table(
        headings=(
            "Kernel",
            "Op",
            "Bound",
            ">AI",
            ">Ridge",
            ">Time (us)",
            f">Time at {spec} (us)",
            *(f">% of {roof_name(kind, profile.device)}" for kind in kinds),
            ">Share of these times (%)",
        ),
        rows=[
            [
                *_names(placement.measurement),
                str(placement.measurement.bound),
                significant(placement.intensity),
                _ridge(placement.measurement),
                significant(placement.time_us),
                significant(placement.measurement.roof_time_us),
                *(share(profile, kind, placement) for kind in kinds),
                significant(share_of_time_pct([placement.time_us], times)),
            ]
            for placement in sorted(placements, key=lambda one: -one.time_us)
        ],
    )


def opportunity_table(profile: Profile, placements: Sequence[Placement]) -> Table:
    """The points of one size with the most time above their rated roof."""
    spec = roof_name(RoofKind.SPEC, profile.device)
    ranked = opportunities(placements)
    total_us = [placement.headroom_us for placement in ranked]
    return Table(
        headings=(
            ">Rank",
            "Kernel",
            "Op",
            "Bound",
            ">Time (us)",
            f">Time at {spec} (us)",
            ">Above it (us)",
            ">Of all such time (%)",
        ),
        rows=[
            [
                str(rank),
                *_names(placement.measurement),
                str(placement.measurement.bound),
                significant(placement.time_us),
                significant(placement.measurement.roof_time_us),
                significant(placement.headroom_us),
                significant(share_of_time_pct([placement.headroom_us], total_us)),
            ]
            for rank, placement in enumerate(ranked[:SHOWN_OPPORTUNITIES], start=1)
        ],
    )


def _names(row: Measurement) -> tuple[Cell, Cell]:
    kv_len = row.point.kv_len
    op = row.point.op if kv_len is None else f"{row.point.op} kv={kv_len}"
    return Code(row.point.kernel), Code(op)


def _ridge(row: Measurement) -> str:
    if row.roof is None or not row.flops:
        return MISSING
    return significant(row.roof.ridge_point)


def _intensity_range(rows: Sequence[Measurement]) -> str:
    intensities = [row.arithmetic_intensity for row in rows]
    low, high = significant(min(intensities)), significant(max(intensities))
    return low if low == high else f"{low} to {high}"


def _bounds(rows: Sequence[Measurement]) -> str:
    """The bound, or from how many tokens on it is compute."""
    bounds = [row.bound for row in rows]
    if len(set(bounds)) == 1:
        return str(bounds[0])
    first = next(row for row in rows if row.bound is Bound.COMPUTE)
    return f"memory, compute from {first.point.tokens:,} tokens"


def _attainable(row: Measurement) -> str:
    """The roof over the point: FLOP/s, or bytes/s for a kernel without FLOP."""
    if row.roof is None:
        return MISSING
    if not row.total_flops:
        return f"{significant(row.roof.bytes_per_s / GIGA)} GB/s"
    ceiling = row.arithmetic_intensity * row.roof.bytes_per_s
    return f"{significant(min(row.roof.flops_per_s, ceiling) / TERA)} TFLOP/s"


def _achieved(placement: Placement | None) -> str:
    if placement is None:
        return MISSING
    if not placement.measurement.total_flops:
        return f"{significant(placement.achieved_bytes_per_s / GIGA)} GB/s"
    return f"{significant(placement.achieved_flops_per_s / TERA)} TFLOP/s"
