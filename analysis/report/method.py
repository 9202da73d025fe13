"""How the times of a profile were taken, and how far they repeat, as tables."""

from collections import Counter
from collections.abc import Iterable, Sequence

from dsprof.analysis.numerals import MISSING, significant
from dsprof.analysis.report.markdown import Cell, Code, Table, text
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    Status,
    Timing,
)

# What the columns mean under each timer that a row can name.
GRAPH_NOTE = (
    "Timer graph: a sample is one replay of a CUDA graph over the calls in it. Warm: "
    "the calls follow each other, so what fits in L2 stays there. Cold: before each "
    "call the graph reads twice the L2, and event record nodes enclose the call alone."
)
TRITON_NOTE = (
    "Timer do_bench_cudagraph: Triton's own function, which replays a graph of many "
    "calls with whatever the previous call left in L2."
)
TIMER_NOTES = {"graph": GRAPH_NOTE, "do_bench_cudagraph": TRITON_NOTE}


def method_notes(profile: Profile) -> list[str]:
    """The sweep that was asked for, the timers used, and how results were checked."""
    sweep = profile.sweep
    timed = [row for row in profile.measurements if row.status is Status.OK]
    checked = [row for row in timed if row.error is not None]
    timers = dict.fromkeys(row.timer for row in timed)
    notes = [
        (
            f"Sweep: decode B = {_list(sweep.decode_batch_sizes)}; prefill B = "
            f"{_list(sweep.prefill_batch_sizes)} with S = {_list(sweep.seq_lens)}; "
            f"context lengths {_list(sweep.kv_lens)}; {_list(sweep.caches)} L2."
        ),
        (
            f"{sweep.warmups} warm-ups and {sweep.replays} timed replays a point were "
            "asked for; a time is the median."
        ),
    ]
    notes += [TIMER_NOTES.get(timer, f"Timer {text(timer)}.") for timer in timers]
    notes.append(
        f"{len(checked):,} of {len(timed):,} timed rows carry the error of their "
        "result against the reference and its limit."
    )
    return notes


def _list(values: Sequence[object]) -> str:
    return text(", ".join(map(str, values)) or "none")


def method_table(profile: Profile) -> Table:
    """What was asked for and what the timings say of themselves, warm and cold."""
    timings = {
        cache: [
            timing
            for row in profile.measurements
            if (timing := row.timing(cache)) is not None
        ]
        for cache in Cache
    }
    rows: list[list[Cell]] = [
        [label, *(describe(timings[cache]) for cache in Cache)]
        for label, describe in (
            ("Timings", lambda found: f"{len(found):,}"),
            ("Samples a timing", lambda found: _range(t.samples for t in found)),
            (
                "Calls a sample",
                lambda found: _range(
                    t.calls_per_sample for t in found if t.calls_per_sample is not None
                ),
            ),
            (
                "Overhead subtracted from a sample (us)",
                lambda found: _range(t.overhead_us for t in found),
            ),
            (
                "Half width of the 95 % interval (% of the median), worst",
                _widest_interval,
            ),
            ("States", _states),
            ("SM clock (MHz)", lambda found: _range(t.sm_clock_mhz for t in found)),
            (
                "Memory clock (MHz)",
                lambda found: _range(t.memory_clock_mhz for t in found),
            ),
            ("Power (W)", lambda found: _range(t.power_w for t in found)),
            ("Throttle reasons", _throttle_reasons),
        )
    ]
    return Table(headings=("Quantity", *(f">{cache} L2" for cache in Cache)), rows=rows)


def noise_table(profile: Profile) -> Table:
    """Points that the run timed twice in a row."""
    return Table(
        headings=("Point", "L2", ">First (us)", ">Second (us)", ">Difference (%)"),
        rows=[
            (
                Code(repeat.label),
                str(repeat.cache),
                significant(repeat.first_us),
                significant(repeat.second_us),
                significant(repeat.difference_pct),
            )
            for repeat in profile.repeats
        ],
    )


def _range(values: Iterable[float]) -> str:
    found = list(values)
    if not found:
        return MISSING
    low, high = (
        f"{end:,}" if isinstance(end, int) else significant(end)
        for end in (min(found), max(found))
    )
    return low if low == high else f"{low} to {high}"


def _widest_interval(timings: Sequence[Timing]) -> str:
    widths = [50 * (t.ci_high_us - t.ci_low_us) / t.median_us for t in timings]
    return significant(max(widths)) if widths else MISSING


def _states(timings: Sequence[Timing]) -> str:
    counts = Counter(str(timing.state) for timing in timings)
    return ", ".join(f"{n:,} {state}" for state, n in counts.items()) or MISSING


def _throttle_reasons(timings: Sequence[Timing]) -> str:
    counts = Counter(reason for timing in timings for reason in timing.throttle_reasons)
    return ", ".join(f"{reason} {n:,}" for reason, n in counts.items()) or "none seen"
