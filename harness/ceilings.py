"""Measures a roof: what the GPU reaches in a burst after a rest, and for long.

A load is checked, tuned and captured as a graph; then the GPU rests, and one
unbroken run of replays gives both figures: the burst is the median replay of its
first 50 ms, the sustained rate that of its last second. Replays are queued well
ahead, so that reading the clocks meanwhile leaves the GPU no gap.
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dsprof.harness.ceiling import Ceiling, Duration, Pattern
from dsprof.harness.ceiling_load import Load
from dsprof.harness.clocks import ClockReader, ClockSample
from dsprof.harness.errors import DsprofError

REST_S = 2.0
BURST_S = 0.05
SUSTAINED_S = 5.0
LAST_S = 1.0  # of the sustained run
# A replay costs about 2 us beyond its kernels: 0.2 % of this.
REPLAY_S = 1e-3
QUEUED_REPLAYS = 16
WARMUP_REPLAYS, TUNING_REPLAYS = 3, 5
TUNING_ROUNDS = 3  # a candidate that came first has been 10 % slower at first
# NVML refreshes power every 100 ms: 0.12 s after the start it still told the rest's.
POWER_LAG_S = 0.15
BURST_RUN_S = BURST_S + POWER_LAG_S
EARLY_READING_S, READING_S = 0.01, 0.1  # between two readings of the clocks
WINDOWS_S = {
    Duration.BURST: (0.0, BURST_S),
    Duration.SUSTAINED: (SUSTAINED_S - LAST_S, SUSTAINED_S),
}


class CeilingError(DsprofError):
    """A pattern could not be run to its end."""


class Lane(Protocol):
    """Where replays are queued; each does the same number of calls of one load."""

    def start(self) -> None:
        """Begin to count time; everything queued has ended."""

    def launch(self) -> None:
        """Queue a replay."""

    def wait(self) -> float:
        """Wait for the oldest replay; return seconds from the start to its end."""


OpenLane = Callable[[Callable[[], object], int], Lane]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """What a measurement needs of the machine."""

    loads: Callable[[Pattern], Sequence[Load]]  # candidates for a pattern
    open_lane: OpenLane  # of a call, and how many of them a replay does
    clocks: ClockReader
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An unbroken run: when each replay ended and each reading was taken, in s."""

    ends_s: tuple[float, ...]
    readings: tuple[tuple[float, ClockSample], ...]

    def replays_s(self, begin_s: float, end_s: float) -> list[float]:
        """How long each replay took that began in this window."""
        begins_s = (0.0, *self.ends_s[:-1])
        return [
            end - begin
            for begin, end in zip(begins_s, self.ends_s, strict=True)
            if begin_s <= begin < end_s
        ]

    def clocks(self, begin_s: float, end_s: float) -> ClockSample:
        """Medians of the window's readings, and every reason that one of them gave.

        Power is that of as long a window, POWER_LAG_S later.
        """
        seen = self._readings(begin_s, end_s)
        late = self._readings(begin_s + POWER_LAG_S, end_s + POWER_LAG_S)
        return ClockSample(
            sm_clock_mhz=statistics.median_low(s.sm_clock_mhz for s in seen),
            memory_clock_mhz=statistics.median_low(s.memory_clock_mhz for s in seen),
            power_w=statistics.median_low(s.power_w for s in late),
            throttle_reasons=tuple(
                dict.fromkeys(reason for s in seen for reason in s.throttle_reasons)
            ),
        )

    def _readings(self, begin_s: float, end_s: float) -> list[ClockSample]:
        """Readings of a window, or the one nearest to its end if it has none."""
        seen = [sample for at, sample in self.readings if begin_s <= at < end_s]
        nearest = min(self.readings, key=lambda reading: abs(reading[0] - end_s))
        return seen or [nearest[1]]


def measure(pattern: Pattern, rig: Rig, *, quick: bool = False) -> tuple[Ceiling, ...]:
    """Measure a pattern's burst and, unless ``quick``, its sustained rate.

    Raises PatternUnsupportedError or WrongResultError, and CeilingError for whatever
    torch raises.
    """
    try:
        load = fastest(rig.loads(pattern), rig.open_lane)
        call_s = replay_s(rig.open_lane(load.call, 1))
        calls = max(math.ceil(REPLAY_S / call_s), 1)
        lane = rig.open_lane(load.call, calls)
        replay_s(lane)  # the first replays of a graph are slower
        rig.sleep(REST_S)
        run = hold(lane, rig.clocks, BURST_RUN_S if quick else SUSTAINED_S)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise CeilingError(
            f"{pattern} failed: {reason}. See what else uses the GPU: nvidia-smi."
        ) from error
    durations = (Duration.BURST,) if quick else tuple(Duration)
    return tuple(
        _ceiling(pattern, duration, load=load, calls=calls, run=run)
        for duration in durations
    )


def hold(lane: Lane, clocks: ClockReader, seconds: float) -> Run:
    """Keep the GPU at the lane's replays for so long, and read its clocks meanwhile."""
    ends_s: list[float] = []
    readings: list[tuple[float, ClockSample]] = []
    queued, now_s, due_s = 0, 0.0, 0.0
    lane.start()
    while now_s < seconds:
        while queued < QUEUED_REPLAYS:
            lane.launch()
            queued += 1
        now_s = lane.wait()
        queued -= 1
        ends_s.append(now_s)
        if now_s >= due_s:
            readings.append((now_s, clocks.read()))
            due_s = now_s + (EARLY_READING_S if now_s < BURST_RUN_S else READING_S)
    for _ in range(queued):
        lane.wait()
    return Run(ends_s=tuple(ends_s), readings=tuple(readings))


def fastest(loads: Sequence[Load], open_lane: OpenLane) -> Load:
    """Check every candidate, and return the one with the highest rate."""
    for load in loads:
        load.check()
    lanes = [open_lane(load.call, 1) for load in loads]
    rounds = [[replay_s(lane) for lane in lanes] for _ in range(TUNING_ROUNDS)]
    rates = [
        load.amount / min(times_s)
        for load, times_s in zip(loads, zip(*rounds, strict=True), strict=True)
    ]
    return loads[rates.index(max(rates))]


def replay_s(lane: Lane) -> float:
    """Median seconds of a replay, after a few that do not count."""
    lane.start()
    for _ in range(WARMUP_REPLAYS + TUNING_REPLAYS):
        lane.launch()
    ends_s = [lane.wait() for _ in range(WARMUP_REPLAYS + TUNING_REPLAYS)]
    run = Run(ends_s=tuple(ends_s), readings=())
    return statistics.median(run.replays_s(ends_s[WARMUP_REPLAYS - 1], math.inf))


def _ceiling(
    pattern: Pattern, duration: Duration, *, load: Load, calls: int, run: Run
) -> Ceiling:
    replays_s = run.replays_s(*WINDOWS_S[duration])
    clocks = run.clocks(*WINDOWS_S[duration])
    return Ceiling(
        pattern=pattern,
        duration=duration,
        value=calls * load.amount / statistics.median(replays_s),
        seconds=round(sum(replays_s), 3),
        work=load.work,
        sm_clock_mhz=clocks.sm_clock_mhz,
        memory_clock_mhz=clocks.memory_clock_mhz,
        power_w=clocks.power_w,
        throttle_reasons=clocks.throttle_reasons,
    )
