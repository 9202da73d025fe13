"""What one call of a whole pipeline spends on each launch, and between launches."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dsprof.analysis.moe.stage_names import GEMMS, short_name, stages_of
from dsprof.harness.launch_span import LaunchSpan
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache

GAPS = "gaps"


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedLaunch:
    """One launch of the call, and the gap before it, negative where two overlap."""

    stage: str
    function_name: str
    start_us: float  # since the first launch of the call began
    time_us: float
    gap_us: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """The launches of one call in order, as a trace of the graph has them.

    Gaps and spans together end where the last launch does. What a graph takes before
    its first launch is not in it, so the graph's own time differs.
    """

    launches: tuple[StagedLaunch, ...]  # never empty
    calls: int  # that times are medians of

    @property
    def stages_us(self) -> Mapping[str, float]:
        """Spans by stage, in the order of their first launch."""
        found: dict[str, float] = defaultdict(float)
        for launch in self.launches:
            found[launch.stage] += launch.time_us
        return dict(found)

    @property
    def functions(self) -> Mapping[str, tuple[str, ...]]:
        """The functions of each stage, each once."""
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for launch in self.launches:
            found[launch.stage][launch.function_name] = None
        return {stage: tuple(names) for stage, names in found.items()}

    @property
    def spans_us(self) -> float:
        return sum(launch.time_us for launch in self.launches)

    @property
    def gaps_us(self) -> float:
        return sum(launch.gap_us for launch in self.launches)

    @property
    def total_us(self) -> float:
        """From the first launch's start to the last one's end."""
        return self.spans_us + self.gaps_us

    @property
    def gemm_us(self) -> float:
        return sum(self.stages_us.get(stage, 0.0) for stage in GEMMS)

    @property
    def other_stages_us(self) -> Mapping[str, float]:
        """Spans of what is no GEMM, the longest first."""
        rest = {name: us for name, us in self.stages_us.items() if name not in GEMMS}
        return dict(sorted(rest.items(), key=lambda pair: -pair[1]))

    @property
    def shares(self) -> Mapping[str, float]:
        """Each stage's part of the total, and that of the gaps last; they sum to 1."""
        parts = {**self.stages_us, GAPS: self.gaps_us}
        return {name: us / self.total_us for name, us in parts.items()}


def breakdowns(profile: Profile, cache: Cache) -> dict[str, Breakdown]:
    """By label, every call whose launches were recorded in that state of the L2."""
    of_label: dict[str, list[LaunchSpan]] = defaultdict(list)
    for span in profile.launches:
        if span.cache is cache:
            of_label[span.label].append(span)
    return {label: breakdown(spans) for label, spans in of_label.items()}


def breakdown(spans: Sequence[LaunchSpan]) -> Breakdown:
    """The launches of one call, whatever order they are given in."""
    ordered = sorted(spans, key=lambda span: span.index)
    stages = stages_of([span.function_name for span in ordered])
    ends = [0.0, *(span.start_us + span.time_us for span in ordered)]
    return Breakdown(
        launches=tuple(
            StagedLaunch(
                stage=stage,
                function_name=short_name(span.function_name),
                start_us=span.start_us,
                time_us=span.time_us,
                gap_us=span.start_us - end,
            )
            for span, stage, end in zip(ordered, stages, ends[:-1], strict=True)
        ),
        calls=min(span.calls for span in ordered),
    )
