"""What a set of timed samples says: median, spread, and whether it is stable."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from dsprof.harness.clocks import ClockSample
from dsprof.harness.records import Timing, TimingState

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# With the draw, the interval's ends vary by 4 % of its width, which is little to
# the stable/noisy split and takes 2 ms.
BOOTSTRAP_RESAMPLES = 500
STABLE_HALF_WIDTH = 0.01  # of the median
THROTTLED_CLOCK_RATIO = 0.95  # of the highest SM clock that the run has seen


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSet:
    """Times per call in microseconds, overhead already taken off."""

    times_us: tuple[float, ...]
    calls_per_sample: int | None  # None where the timer does not say
    overhead_us: float  # taken off each sample before the division by its calls


def summarize(
    samples: SampleSet, clocks: ClockSample, reference_sm_clock_mhz: int
) -> Timing:
    """Reduce samples to a Timing; the raw ones are kept beside it in the profile."""
    import numpy as np

    times = np.asarray(samples.times_us, dtype=float)
    median = float(np.median(times))
    low, high = bootstrap_interval(samples.times_us)
    p05, p95 = np.percentile(times, [5, 95])
    if clocks.sm_clock_mhz < THROTTLED_CLOCK_RATIO * reference_sm_clock_mhz:
        state = TimingState.THROTTLED
    elif (high - low) / 2 > STABLE_HALF_WIDTH * median:
        state = TimingState.NOISY
    else:
        state = TimingState.STABLE
    return Timing(
        median_us=_rounded(median),
        mad_us=_rounded(float(np.median(np.abs(times - median)))),
        p05_us=_rounded(float(p05)),
        p95_us=_rounded(float(p95)),
        ci_low_us=_rounded(low),
        ci_high_us=_rounded(high),
        samples=len(times),
        calls_per_sample=samples.calls_per_sample,
        overhead_us=_rounded(samples.overhead_us),
        sm_clock_mhz=clocks.sm_clock_mhz,
        memory_clock_mhz=clocks.memory_clock_mhz,
        power_w=clocks.power_w,
        throttle_reasons=clocks.throttle_reasons,
        state=state,
    )


def bootstrap_interval(times_us: Sequence[float]) -> tuple[float, float]:
    """95 % percentile-bootstrap interval of the median (Efron 1979), repeatable.

    The draws are the same for every set of one size, so the same samples give the
    same interval.
    """
    import numpy as np

    medians = np.median(
        np.asarray(times_us, dtype=float)[_picks(len(times_us))], axis=1
    )
    low, high = np.percentile(medians, [2.5, 97.5])
    return float(low), float(high)


@lru_cache
def _picks(size: int) -> "npt.NDArray[np.intp]":
    """Indices of every resample, (resamples, size)."""
    import numpy as np

    random = np.random.default_rng(size)
    return random.integers(0, size, size=(BOOTSTRAP_RESAMPLES, size), dtype=np.intp)


def _rounded(time_us: float) -> float:
    """To 0.1 ns: a hundredth of what the GPU's event clock resolves."""
    return round(time_us, 4)
