"""Section 9: joules a launch, picojoules a byte and FLOP, joules a token."""

from collections.abc import Iterator, Sequence

from dsprof.analysis.findings import Finding
from dsprof.analysis.npu.energy import (
    PICO,
    REFRESH_S,
    EnergyModel,
    SampledPower,
    energy_model,
    least_power_w,
    sampled,
    unit_energies,
)
from dsprof.analysis.npu.layers import NpuData
from dsprof.analysis.npu.section import (
    Grid,
    Recommendation,
    Section,
    Topic,
    found,
)
from dsprof.analysis.npu.token_energy import part_advice, token_finding, token_table
from dsprof.analysis.numerals import plural, significant
from dsprof.harness.records import Bound, Measurement, Status

SHOWN_POINTS = 8
CAP = "sw_power_cap"


def power(data: NpuData) -> Section:
    """What was read, what the roofs draw, and what a token of the layer takes."""
    points, model = sampled(data.profile), energy_model(data.profile)
    findings = [
        *_reading_findings(data, points),
        *_spread(points),
        *(_roof_findings(data)),
    ]
    tables = [_point_table(points)] if points else []
    recommendations: list[Recommendation] = []
    if model is not None and data.layers:
        findings += [token_finding(layer, model) for layer in data.layers]
        tables.append(token_table(data, model))
        recommendations = list(part_advice(data, model, points))
    return Section(
        topic=Topic.POWER,
        findings=findings,
        tables=tables,
        recommendations=recommendations,
        outside=list(_outside(data, points, model)),
    )


def _reading_findings(
    data: NpuData, points: Sequence[SampledPower]
) -> Iterator[Finding]:
    timed = _timed(data)
    static = least_power_w(data.profile)
    if static is not None and timed:
        yield found(
            "Readings",
            f"{plural(len(points), 'point')} of {len(timed):,} kept the GPU busy for "
            f"{REFRESH_S:g} s with their own replays before their power was read; the "
            f"least reading of all is {significant(static)} W",
        )
    if points:
        watts = sorted(one.power_w for one in points)
        capped = [
            one
            for one in points
            if one.row.cold is not None and CAP in one.row.cold.throttle_reasons
        ]
        yield found(
            "Power of those points",
            f"{significant(watts[0])} to {significant(watts[-1])} W, median "
            f"{significant(watts[len(watts) // 2])} W; {len(capped)} of {len(points)} "
            "at the board's power cap",
            [one.row.point.label for one in capped],
        )


def _timed(data: NpuData) -> list[Measurement]:
    return [row for row in data.profile.measurements if row.status is Status.OK]


def _spread(points: Sequence[SampledPower]) -> Iterator[Finding]:
    """Energy a byte of memory-bound points, and a FLOP of compute-bound ones."""
    memory = [
        (one.energy_j / one.row.total_bytes, one)
        for one in points
        if one.row.bound is Bound.MEMORY and one.row.total_bytes
    ]
    if memory:
        yield _spread_finding("Memory-bound points", "pJ a compulsory byte", memory)
    by_path: dict[str, list[tuple[float, SampledPower]]] = {}
    for one in points:
        if one.row.bound is Bound.COMPUTE and one.row.total_flops:
            energy = one.energy_j / one.row.total_flops
            by_path.setdefault(one.row.datapath, []).append((energy, one))
    for path, some in by_path.items():
        yield _spread_finding(f"Compute-bound points, {path}", "pJ a FLOP", some)


def _spread_finding(
    title: str, unit: str, some: Sequence[tuple[float, SampledPower]]
) -> Finding:
    ordered = sorted(some, key=lambda one: one[0])
    least, middle, most = (
        significant(ordered[at][0] / PICO) for at in (0, len(ordered) // 2, -1)
    )
    return found(
        title,
        f"{middle} {unit} at the median of {plural(len(ordered), 'point')}, {least} to "
        f"{most}, all of the board's power counted",
        [one.row.point.label for _, one in ordered],
    )


def _roof_findings(data: NpuData) -> Iterator[Finding]:
    for one in unit_energies(data.profile):
        unit = "byte" if one.ceiling.pattern.moves_bytes else "FLOP"
        yield found(
            f"Measured roof {one.ceiling.pattern}",
            f"{significant(one.ceiling.power_w)} W: {significant(one.board_j / PICO)} "
            f"pJ a {unit}, {significant(one.dynamic_j / PICO)} without the least "
            "reading",
        )


def _point_table(points: Sequence[SampledPower]) -> Grid:
    most = sorted(points, key=lambda one: -one.energy_j)[:SHOWN_POINTS]
    return Grid(
        title=f"The {len(most)} points with the most energy a call",
        headings=(
            *("Point", ">Time (us)", ">Power (W)", ">J a call"),
            *(">pJ/byte", ">pJ/FLOP"),
        ),
        rows=[
            (
                one.row.point.label,
                significant(one.time_s * 1e6),
                significant(one.power_w),
                significant(one.energy_j),
                significant(one.energy_j / one.row.total_bytes / PICO)
                if one.row.total_bytes
                else "no bytes",
                significant(one.energy_j / one.row.total_flops / PICO)
                if one.row.total_flops
                else "no FLOP",
            )
            for one in most
        ],
    )


def _outside(
    data: NpuData, points: Sequence[SampledPower], model: EnergyModel | None
) -> Iterator[str]:
    timed = _timed(data)
    if not timed:
        yield "Energy: no point of this profile has a time or a power reading."
        return
    short = len(timed) - len(points)
    if short:
        yield (
            f"The energy of {plural(short, 'point')} of {len(timed):,}: their warm "
            f"replays, in front of the cold reading, lasted less than the "
            f"{REFRESH_S:g} s in which the sensor refreshes, or one of the two is not "
            "there."
        )
    if model is None:
        roofs = plural(len(data.profile.ceilings), "measured roof")
        yield (
            "Energy of a token: the model needs a power reading and the measured roof "
            f"of HBM reads, and this profile has {roofs}."
        )
    yield (
        f"Power of the chip without its board, and at other clocks: NVML reads "
        f"{data.profile.device.name}'s board at the clocks that it chose."
    )
