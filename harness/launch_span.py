"""One launch of a timed call: when it began, and how long it ran."""

from dataclasses import dataclass

from dsprof.harness.records import Cache


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpan:
    """A launch of one call inside its CUDA graph; times are medians over calls.

    The calls are traced after the point was timed, so spans and timing are of
    different replays. The gap before launch i is ``start_us`` of i less the end
    (``start_us + time_us``) of i - 1; it is negative where launches overlap.
    """

    label: str  # of the point
    cache: Cache
    index: int  # in order of start, from 0
    function_name: str  # as the trace has it; "Memcpy ..." or "Memset ..." for a copy
    start_us: float  # since the first launch of the call began
    time_us: float  # the launch's own span
    calls: int  # that these are medians of
