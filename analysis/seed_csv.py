"""Reads benchmark rows in the 14-column CSV format, and says which cannot be true.

``kernel,op,phase,B,S,M,N,K,latency_ms,gflops,peak_pct,bandwidth_gbs,arith_intensity,
bound``: gflops is 1e9 FLOP/s, bandwidth_gbs 1e9 bytes/s, peak_pct percent of the roof
that bounds the row. A number may be absent; other columns are ignored. Nothing is
repaired: a unit slip is reported with what the other columns say.
"""

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dsprof.analysis.numerals import significant
from dsprof.harness.device import Datapath, DeviceSpec
from dsprof.harness.errors import ProfileError
from dsprof.harness.records import Bound, Phase
from dsprof.harness.timing_csv import SEED_COLUMNS

REQUIRED = ("kernel", "op", "phase", "B", "S")
# Apart by more than this, two columns do not describe one call: medians are printed
# with three digits or more.
AGREEMENT = 0.05
LEAST_ELEMENT_BYTES = 0.5  # 4 bits, the narrowest format there is
GIGA, MEGA = 1e9, 1e6
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRow:
    """One row; a number that its cell does not give is None."""

    line: int
    kernel: str
    op: str
    phase: Phase
    batch_size: int
    seq_len: int
    m: int | None
    n: int | None
    k: int | None
    latency_ms: float | None
    gflops: float | None
    peak_pct: float | None
    bandwidth_gbs: float | None
    intensity: float | None
    bound: Bound | None

    @property
    def label(self) -> str:
        return (
            f"{self.kernel}/{self.op}/{self.phase}/B={self.batch_size},S={self.seq_len}"
        )

    @property
    def flops_per_s(self) -> float:
        """The row's rate, or the one that bandwidth and intensity give; else NaN."""
        if self.gflops is not None:
            return self.gflops * GIGA
        if self.bandwidth_gbs is not None and self.intensity is not None:
            return self.bandwidth_gbs * GIGA * self.intensity
        return math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """What cannot be true of a row, with the numbers that say so."""

    row: SeedRow
    problem: str


def read_seed_csv(path: Path) -> list[SeedRow]:
    """Read a file; ProfileError names file and line of what cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ProfileError(
            f"Cannot read {path}: {error.strerror}. Give a CSV file."
        ) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ProfileError(f"{path}, line {line}: not UTF-8 text.") from error
    return parse_seed_csv(text, str(path))


def parse_seed_csv(text: str, name: str) -> list[SeedRow]:
    """Rows of a CSV text; ``name`` is what errors call it."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    try:
        columns = [column.strip() for column in reader.fieldnames or ()]
        reader.fieldnames = columns
        if missing := [column for column in SEED_COLUMNS if column not in columns]:
            raise ProfileError(
                f"{name}, line 1: no column {', '.join(missing)}. "
                f"The format has: {','.join(SEED_COLUMNS)}."
            )
        return [
            _row(_Cells(name=name, line=reader.line_num, cells=cells))
            for cells in reader
        ]
    except csv.Error as error:
        raise ProfileError(f"{name}, line {reader.line_num}: {error}.") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cells:
    """One line's cells, read one by one so that an error can name its place."""

    name: str
    line: int
    cells: Mapping[str | None, object]

    def text(self, column: str) -> str:
        cell = self.cells.get(column)
        return cell.strip() if isinstance(cell, str) else ""

    def needed(self, column: str) -> str:
        if not self.text(column):
            raise self.error(column, "is empty", "every row needs it")
        return self.text(column)

    def read(
        self, column: str, convert: Callable[[str], Value], wanted: str
    ) -> Value | None:
        text = self.text(column)
        if not text:
            return None
        try:
            return convert(text)
        except ValueError:
            raise self.error(column, f"is '{text}'", f"give {wanted}") from None

    def error(self, column: str, found: str, way_out: str) -> ProfileError:
        return ProfileError(
            f"{self.name}, line {self.line}: {column} {found}; {way_out}."
        )


def _row(cells: _Cells) -> SeedRow:
    names = {column: cells.needed(column) for column in REQUIRED}
    phases, bounds = " or ".join(Phase), " or ".join(Bound)
    phase = cells.read("phase", lambda text: Phase(text.lower()), phases)
    sizes = {
        column: cells.read(column, _size, "a whole number of at least 1")
        for column in ("B", "S")
    }
    assert phase is not None  # noqa: S101 -- needed above
    numbers = {
        column: cells.read(column, _number, "a number of at least 0")
        for column in SEED_COLUMNS[8:13]
    }
    m, n, k = (
        cells.read(column, _count, "a whole number of at least 0")
        for column in ("M", "N", "K")
    )
    return SeedRow(
        line=cells.line,
        kernel=names["kernel"],
        op=names["op"],
        phase=phase,
        batch_size=sizes["B"] or 1,
        seq_len=sizes["S"] or 1,
        m=m,
        n=n,
        k=k,
        latency_ms=numbers["latency_ms"],
        gflops=numbers["gflops"],
        peak_pct=numbers["peak_pct"],
        bandwidth_gbs=numbers["bandwidth_gbs"],
        intensity=numbers["arith_intensity"],
        bound=cells.read("bound", lambda text: Bound(text.lower()), bounds),
    )


def _number(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise ValueError
    return value


def _count(text: str) -> int:
    value = _number(text)
    if value != int(value):
        raise ValueError
    return int(value)


def _size(text: str) -> int:
    value = _count(text)
    if value < 1:
        raise ValueError
    return value


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
