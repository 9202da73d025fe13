import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.clocks import ClockSample, throttle_reasons
from dsprof.harness.records import TimingState
from dsprof.harness.samples import SampleSet, bootstrap_interval, summarize

FULL_CLOCK = ClockSample(
    sm_clock_mhz=1980, memory_clock_mhz=3201, power_w=300.0, throttle_reasons=()
)
times = st.lists(st.floats(0.5, 1e5), min_size=3, max_size=120)


def sample_set(times_us: list[float]) -> SampleSet:
    return SampleSet(times_us=tuple(times_us), calls_per_sample=5, overhead_us=2.0)


def test_median_and_spread_are_those_of_the_samples() -> None:
    timing = summarize(sample_set([9.0, 10.0, 10.0, 10.0, 31.0]), FULL_CLOCK, 1980)
    assert (timing.median_us, timing.mad_us, timing.samples) == (10.0, 0.0, 5)
    assert timing.p95_us == 26.8  # 10 + 0.8 * (31 - 10), linear between ranks 3 and 4


@given(times)
def test_the_interval_lies_in_the_samples_and_is_repeatable(
    values: list[float],
) -> None:
    low, high = bootstrap_interval(values)
    assert min(values) <= low <= high <= max(values)
    assert bootstrap_interval(values) == (low, high)


def test_the_interval_covers_the_true_median_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    intervals = [
        bootstrap_interval(list(random.normal(10, 1, 100))) for _ in range(200)
    ]
    covered = sum(low <= 10 <= high for low, high in intervals)
    assert 180 <= covered <= 199  # 190 expected, binomial deviation 3


def test_equal_samples_are_stable() -> None:
    assert (
        summarize(sample_set([5.0] * 10), FULL_CLOCK, 1980).state is TimingState.STABLE
    )


def test_an_interval_wider_than_one_percent_is_noisy() -> None:
    scattered = [9.0, 11.0] * 20
    timing = summarize(sample_set(scattered), FULL_CLOCK, 1980)
    assert timing.state is TimingState.NOISY


def test_a_clock_five_percent_under_the_runs_best_is_throttled() -> None:
    samples = sample_set([5.0] * 10)
    assert summarize(samples, FULL_CLOCK, 2084).state is TimingState.STABLE  # 0.9501
    assert summarize(samples, FULL_CLOCK, 2085).state is TimingState.THROTTLED  # 0.9496


def test_throttle_bits_have_nvmls_names_and_idleness_is_none() -> None:
    assert throttle_reasons(0x1) == ()
    assert throttle_reasons(0x4 | 0x20) == ("sw_power_cap", "sw_thermal_slowdown")
