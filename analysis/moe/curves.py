"""Ways to run the routed experts, with the time of each at numbers of tokens."""

from dataclasses import dataclass

from dsprof.analysis.moe.breakdown import Breakdown
from dsprof.analysis.moe.experts_read import MATRICES
from dsprof.harness.records import Cache, Call, Measurement, Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One call of a way, with the median of its points at a number of tokens."""

    call: Call
    time_us: float

    @property
    def reads_weights(self) -> bool:
        return self.call.op in MATRICES


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A whole pipeline that was timed as one graph."""

    row: Measurement
    timing: Timing
    breakdown: Breakdown | None  # None where its launches were not recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """All stages at a number of tokens.

    ``experts`` are those that got a row in the run, None where the row does not tell.
    Several stages were timed one by one, so what lies between them in a run is not in
    their sum; a ``whole`` pipeline is one stage.
    """

    tokens: int
    stages: tuple[Stage, ...]
    experts: int | None
    whole: Whole | None = None

    @property
    def time_us(self) -> float:
        return sum(stage.time_us for stage in self.stages)

    @property
    def gemm_us(self) -> float:
        """Of the calls that read experts' weights; all there is where one call does."""
        return sum(stage.time_us for stage in self.stages if stage.reads_weights)

    @property
    def others(self) -> list[Stage]:
        """Calls that read no experts' weights, the longest first."""
        rest = [stage for stage in self.stages if not stage.reads_weights]
        return sorted(rest, key=lambda stage: -stage.time_us)

    @property
    def breakdown(self) -> Breakdown | None:
        return self.whole.breakdown if self.whole else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One way to run the experts, under the name of the kernel with most FLOP."""

    name: str
    calls: tuple[Call, ...]
    cache: Cache
    points: tuple[CurvePoint, ...]  # by tokens
    is_one_graph: bool = False  # or a sum of calls that were timed one by one

    @property
    def timed_as(self) -> str:
        return "one graph" if self.is_one_graph else "sum of calls"

    @property
    def title(self) -> str:
        """Tells a pipeline from a sum of calls whose main kernel is the same."""
        return f"{self.name}, {self.timed_as}"

    def at(self, tokens: int) -> CurvePoint | None:
        return next((one for one in self.points if one.tokens == tokens), None)
