"""Says which benchmark rows cannot be true, by the roofs and by their own columns.

Nothing is repaired: a unit slip is reported with what the other columns say.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dsprof.analysis.numerals import significant
from dsprof.analysis.seed_csv import SeedRow
from dsprof.harness.device import Datapath, DeviceSpec
from dsprof.harness.records import Bound

# Apart by more than this, two columns do not describe one call: medians are printed
# with three digits or more.
AGREEMENT = 0.05
LEAST_ELEMENT_BYTES = 0.5  # 4 bits, the narrowest format there is
GIGA, MEGA = 1e9, 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """What cannot be true of a row, with the numbers that say so."""

    row: SeedRow
    problem: str


def flag_rows(
    rows: Sequence[SeedRow],
    device: DeviceSpec,
    datapaths: Mapping[tuple[str, str], Datapath],
) -> list[Flag]:
    """Everything about the rows that cannot be true on the device.

    ``datapaths`` names the datapath of each kernel and op that is known. For others a
    statement is wrong only if it is on every datapath of the device.
    """
    return [
        Flag(row=row, problem=problem)
        for row in rows
        for problem in _problems(row, device, datapaths)
    ]


def _problems(
    row: SeedRow, device: DeviceSpec, datapaths: Mapping[tuple[str, str], Datapath]
) -> Iterator[str]:
    known = datapaths.get((row.kernel, row.op))
    if known is not None and known not in device.flops_per_s:
        yield f"{device.name} has no {known} datapath"
        return
    paths = list(device.flops_per_s) if known is None else [known]
    peaks = [device.peak(path) / GIGA for path in paths]
    bandwidth = device.hbm_bytes_per_s / GIGA
    yield from _above_roof(row, max(peaks), bandwidth)
    yield from _wrong_bound(row, [peak / bandwidth for peak in peaks])
    yield from _wrong_intensity(row)
    yield from _wrong_rate(row)
    yield from _wrong_share(row, peaks, bandwidth)


def _above_roof(row: SeedRow, peak: float, bandwidth: float) -> Iterator[str]:
    if row.gflops is not None and row.gflops > peak:
        yield (
            f"gflops {significant(row.gflops)} is "
            f"{significant(100 * row.gflops / peak)} % of the compute peak"
        )
    if row.bandwidth_gbs is not None and row.bandwidth_gbs > bandwidth:
        yield (
            f"bandwidth_gbs {significant(row.bandwidth_gbs)} is "
            f"{significant(100 * row.bandwidth_gbs / bandwidth)} % of the HBM peak; "
            "some of it came from L2, or the row is wrong"
        )
    elif row.peak_pct is not None and row.peak_pct > 100:  # noqa: PLR2004 -- percent
        yield f"peak_pct {significant(row.peak_pct)} is above 100"


def _wrong_bound(row: SeedRow, ridges: Sequence[float]) -> Iterator[str]:
    if row.intensity is None or row.bound is None:
        return
    if row.bound is Bound.COMPUTE and row.intensity < min(ridges):
        yield (
            f"called compute-bound at {significant(row.intensity)} FLOP/byte, below "
            f"the ridge point of {significant(min(ridges))}"
        )
    if row.bound is Bound.MEMORY and row.intensity > max(ridges):
        yield (
            f"called memory-bound at {significant(row.intensity)} FLOP/byte, above "
            f"the ridge point of {significant(max(ridges))}"
        )


def _wrong_intensity(row: SeedRow) -> Iterator[str]:
    """An intensity that a GEMM of these sizes cannot have at half a byte an element."""
    m, n, k = row.m or 0, row.n or 0, row.k or 0
    if not (m and n and k) or row.intensity is None:
        return
    most = 2 * m * n * k / (LEAST_ELEMENT_BYTES * (m * k + n * k + m * n))
    if row.intensity > (1 + AGREEMENT) * most:
        yield (
            f"arith_intensity {significant(row.intensity)}, but M, N and K allow "
            f"{significant(most)} even with 4-bit operands and output"
        )


def _wrong_rate(row: SeedRow) -> Iterator[str]:
    """A GEMM's rate below its own sizes over its time; a batch of GEMMs has more."""
    sizes = (row.m, row.n, row.k, row.latency_ms, row.gflops)
    if not all(sizes):
        return
    m, n, k, latency_ms, gflops = (float(size or 0) for size in sizes)
    computed = 2 * m * n * k / latency_ms / MEGA
    if gflops < (1 - AGREEMENT) * computed:
        yield (
            f"gflops {significant(gflops)}, but 2 M N K over latency_ms is "
            f"{significant(computed)}"
        )


def _wrong_share(
    row: SeedRow, peaks: Sequence[float], bandwidth: float
) -> Iterator[str]:
    """A share that neither the rate nor the bandwidth makes of any roof."""
    if not row.peak_pct:
        return
    shares = []
    if row.gflops is not None:
        shares += [100 * row.gflops / peak for peak in peaks]
    if row.bandwidth_gbs is not None:
        shares.append(100 * row.bandwidth_gbs / bandwidth)
    if shares and all(
        abs(share - row.peak_pct) > AGREEMENT * row.peak_pct for share in shares
    ):
        found = " or ".join(significant(share) for share in shares)
        yield f"peak_pct {significant(row.peak_pct)}, but its rates give {found}"
