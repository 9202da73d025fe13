"""What ncu counted in the launches of a whole pipeline: bytes, and how busy units were.

Launches run one by one under ncu, at the clock that they find there; times and shares
are of those runs, and bytes are the launches' own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dsprof.analysis.moe.gemms import stage_weight_bytes
from dsprof.analysis.moe.launched import NS_PER_US, Launched
from dsprof.analysis.moe.stage_names import GEMMS, stages_of
from dsprof.analysis.moe.study import Reached, Study
from dsprof.harness.counters import Counters

ALL = "all launches"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedPart:
    """Some launches of one call; a counter that one of them lacks is None."""

    part: str  # a GEMM's stage, or all launches
    launches: tuple[Counters, ...]  # never empty
    least_bytes: float  # a GEMM's weights, or the least bytes of the whole call

    @property
    def time_us(self) -> float:
        return sum(one.duration_ns or 0.0 for one in self.launches) / NS_PER_US

    @property
    def dram_bytes(self) -> float | None:
        values = [one.dram_bytes for one in self.launches]
        known = [value for value in values if value is not None]
        return sum(known) if len(known) == len(values) else None

    def mean(self, counter: Callable[[Counters], float | None]) -> float | None:
        """Weighted by the launches' times."""
        weighted = 0.0
        for one in self.launches:
            if (value := counter(one)) is None:
                return None
            weighted += value * (one.duration_ns or 0.0) / NS_PER_US
        return weighted / self.time_us if self.time_us else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedCall:
    """One whole pipeline at a number of tokens: its GEMMs, then all launches."""

    reached: Reached
    parts: tuple[CountedPart, ...]


def counted_calls(study: Study) -> list[CountedCall]:
    """Every whole pipeline at each of its counted sizes that has a time."""
    return list(_counted_calls(study))


def _counted_calls(study: Study) -> Iterator[CountedCall]:
    reached = [one for one in study.reached() if one.curve.is_one_graph]
    for launched in study.recorded.launched:
        for one in reached:
            is_same = launched.call in one.curve.calls
            if is_same and one.point.tokens == launched.tokens:
                yield CountedCall(
                    reached=one, parts=tuple(_parts(study, one, launched))
                )


def _parts(study: Study, one: Reached, launched: Launched) -> Iterator[CountedPart]:
    stages = stages_of([counters.function_name for counters in launched.counted])
    for stage in GEMMS:
        of_stage = _of_stage(launched.counted, stages, stage)
        if of_stage:
            yield CountedPart(
                part=stage,
                launches=of_stage,
                least_bytes=stage_weight_bytes(one, study.geometry, stage),
            )
    yield CountedPart(
        part=ALL, launches=launched.counted, least_bytes=one.done.total_bytes
    )


def _of_stage(
    counted: Sequence[Counters], stages: Sequence[str], stage: str
) -> tuple[Counters, ...]:
    pairs = zip(counted, stages, strict=True)
    return tuple(counters for counters, of_one in pairs if of_one == stage)
