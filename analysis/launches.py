"""What a foreign report says of one launch, and the counters made of it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from dsprof.harness.counters import (
    NOT_IN_REPORT,
    STALL_PREFIX,
    Counters,
    counter_metrics,
    read_counters,
)
from dsprof.harness.counters_csv import SEPARATOR
from dsprof.harness.records import Cache
from dsprof.harness.timeline import Timeline

DSPROF_DOMAIN = "dsprof"  # NVTX domain of dsprof's own ranges
NO_DATA = "no data"  # ncu knows the metric and has no value of it
SOL_RULE = "SOLBottleneck"
DISPLAY_NAME = "device__attribute_display_name"
ATTRIBUTE_PREFIX = "device__attribute_"
PEAK_SUFFIX = ".sum.peak_sustained"

Value = float | int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Everything that a report says of one launch, as it says it.

    ``values`` and ``units`` are by metric name, in ncu's base units (ns, hz, byte,
    byte/s, %); ``absent`` says why a metric that the report names has no value.
    Ranges are "domain:message"; push/pop ranges come outermost first.
    """

    kernel_name: str  # demangled, with its arguments where the report has them
    function_name: str = ""
    mangled_name: str = ""
    grid: tuple[int, int, int] = (0, 0, 0)
    block: tuple[int, int, int] = (0, 0, 0)
    push_pop: tuple[str, ...] = ()
    start_end: tuple[str, ...] = ()
    device_name: str = ""
    compute_capability: tuple[int, int] = (0, 0)
    values: Mapping[str, Value] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)  # identifier -> title

    @property
    def ranges(self) -> tuple[str, ...]:
        """The NVTX ranges around the launch: push/pop, then start/end."""
        return self.push_pop + self.start_end


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult:
    """What was read of one file, and what could not be."""

    launches: tuple[Launch, ...]
    format: str  # e.g. "ncu-rep", "ncu CSV, raw page"
    notes: tuple[str, ...] = ()
    timeline: Timeline | None = None  # of a whole program; such a file has no launches


def dsprof_label(launch: Launch) -> str:
    """The point that dsprof launched this for; empty for other people's launches."""
    for name in reversed(launch.start_end):
        domain, _, message = name.partition(":")
        if domain == DSPROF_DOMAIN:
            return message
    return ""


def to_counters(
    launch: Launch, *, cache: Cache | None, index: int, label: str = ""
) -> Counters:
    """The launch's counters; ``index`` is its position in its range or report."""
    numbers = {
        name: float(value)
        for name, value in launch.values.items()
        if isinstance(value, int | float)
    }
    return Counters(
        label=label,
        cache=cache,
        launch=index,
        kernel_name=launch.kernel_name,
        function_name=launch.function_name,
        grid=launch.grid,
        block=launch.block,
        ranges=tuple(map(_one_cell, launch.ranges)),
        device_name=launch.device_name,
        compute_capability=launch.compute_capability,
        nvidia_class=launch.rules.get(SOL_RULE, ""),
        **read_counters(numbers, lambda name: launch.absent.get(name, NOT_IN_REPORT)),
    )


def _one_cell(name: str) -> str:
    """A range's name without what counters.csv puts between two of them."""
    return " ".join(name.replace(SEPARATOR, "/").split())


@cache
def is_needed(metric: str) -> bool:
    """Whether dsprof makes anything of this metric.

    A report can have 1,300 metrics a launch, of which a fifth says what we ask.
    """
    return (
        metric in _counter_sources()
        or metric.startswith((ATTRIBUTE_PREFIX, "launch__", STALL_PREFIX))
        or metric.endswith(PEAK_SUFFIX)
    )


@cache
def _counter_sources() -> frozenset[str]:
    return frozenset(
        name
        for metrics in counter_metrics().values()
        for source in metrics.sources
        for name in source
    )


def split_values(
    raw: Iterable[tuple[str, Value | None]],
) -> tuple[Mapping[str, Value], Mapping[str, str]]:
    """Values by metric, and why the others are absent; NaN is no value."""
    values: dict[str, Value] = {}
    absent: dict[str, str] = {}
    for name, value in raw:
        if value is None:
            absent[name] = NO_DATA
        elif isinstance(value, float) and not math.isfinite(value):
            absent[name] = f"{NO_DATA} ({value})"
        else:
            values[name] = value
    return values, absent


def device_name(values: Mapping[str, Value]) -> str:
    return str(values.get(DISPLAY_NAME, ""))


def compute_capability(values: Mapping[str, Value]) -> tuple[int, int]:
    """As the report's device attributes say; (0, 0) where it has none."""
    return (
        _whole(values, f"{ATTRIBUTE_PREFIX}compute_capability_major"),
        _whole(values, f"{ATTRIBUTE_PREFIX}compute_capability_minor"),
    )


def launch_size(values: Mapping[str, Value], what: str) -> tuple[int, int, int]:
    """The "grid" or the "block" of a launch; zeros where the report has none."""
    x, y, z = (_whole(values, f"launch__{what}_dim_{axis}") for axis in "xyz")
    return x, y, z


def _whole(values: Mapping[str, Value], metric: str) -> int:
    # Reports of 2022 have whole numbers as doubles.
    value = values.get(metric, 0)
    return int(value) if isinstance(value, int | float) else 0
