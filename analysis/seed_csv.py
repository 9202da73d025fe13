"""Reads benchmark rows in the 14-column CSV format, whoever wrote them.

``kernel,op,phase,B,S,M,N,K,latency_ms,gflops,peak_pct,bandwidth_gbs,arith_intensity,
bound``: gflops is 1e9 FLOP/s, bandwidth_gbs 1e9 bytes/s, peak_pct percent of the roof
that bounds the row. A number may be absent; other columns are ignored.
"""

import csv
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dsprof.harness.errors import ProfileError
from dsprof.harness.records import Bound, Phase
from dsprof.harness.timing_csv import SEED_COLUMNS

REQUIRED = ("kernel", "op", "phase", "B", "S")
GIGA = 1e9
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
