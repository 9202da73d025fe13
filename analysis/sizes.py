"""The problem sizes that reports single out: two of decode, one of prefill."""

from collections.abc import Iterable
from dataclasses import dataclass

from dsprof.harness.records import Measurement, Phase, Point


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemSize:
    """A batch of requests in one phase; ``seq_len`` is 1 in decode."""

    phase: Phase
    batch_size: int
    seq_len: int

    @property
    def title(self) -> str:
        """For example ``decode B=1`` or ``prefill B=1 S=1024``."""
        sizes = f"{self.phase} B={self.batch_size}"
        return sizes if self.phase is Phase.DECODE else f"{sizes} S={self.seq_len}"

    def holds(self, point: Point) -> bool:
        return (point.phase, point.batch_size, point.seq_len) == (
            self.phase,
            self.batch_size,
            self.seq_len,
        )

    def sized(self, kv_len: int | None = None) -> Point:
        """A point of this size, of no kernel yet."""
        return Point(
            kernel="",
            op="",
            phase=self.phase,
            batch_size=self.batch_size,
            seq_len=self.seq_len,
            kv_len=kv_len,
        )

    def select(self, measurements: Iterable[Measurement]) -> list[Measurement]:
        return [row for row in measurements if self.holds(row.point)]


REPORTED_SIZES = (
    ProblemSize(phase=Phase.DECODE, batch_size=1, seq_len=1),
    ProblemSize(phase=Phase.DECODE, batch_size=128, seq_len=1),
    ProblemSize(phase=Phase.PREFILL, batch_size=1, seq_len=1024),
)
