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
    """One launch of the call, the gap before it, and what it adds to the call.

    A launch may begin while those before it still run (programmatic dependent launch)
    and wait inside itself: its span then holds their time as well. So it is charged
    with what of its span lies past the end of all launches before it.
    """

    stage: str
    function_name: str
    start_us: float  # since the first launch of the call began
    span_us: float  # from its own start to its own end
    time_us: float  # past the end of every launch before it, never below zero
    gap_us: float  # in which none ran, never below zero


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """The launches of one call in order, as a trace of the graph has them.

    Times and gaps together end where the last launch does. What a graph takes before
    its first launch is not in it, so the graph's own time differs.
    """

    launches: tuple[StagedLaunch, ...]  # never empty
    calls: int  # that times are medians of

    @property
    def stages_us(self) -> Mapping[str, float]:
        """Times by stage, in the order of their first launch."""
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
        """More than the call takes, where launches overlap."""
        return sum(launch.span_us for launch in self.launches)

    @property
    def gaps_us(self) -> float:
        return sum(launch.gap_us for launch in self.launches)

    @property
    def total_us(self) -> float:
        """From the first launch's start to the last one's end."""
        return sum(launch.time_us + launch.gap_us for launch in self.launches)

    @property
    def gemm_us(self) -> float:
        return sum(self.stages_us.get(stage, 0.0) for stage in GEMMS)

    @property
    def other_stages_us(self) -> Mapping[str, float]:
        """Times of what is no GEMM, the longest first."""
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
    launches, end_us = [], ordered[0].start_us
    for span, stage in zip(ordered, stages, strict=True):
        ends_us = span.start_us + span.time_us
        launches.append(
            StagedLaunch(
                stage=stage,
                function_name=short_name(span.function_name),
                start_us=span.start_us,
                span_us=span.time_us,
                time_us=max(0.0, ends_us - max(span.start_us, end_us)),
                gap_us=max(0.0, span.start_us - end_us),
            )
        )
        end_us = max(end_us, ends_us)
    return Breakdown(
        launches=tuple(launches), calls=min(span.calls for span in ordered)
    )
