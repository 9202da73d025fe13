import csv
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.records import Cache
from dsprof.harness.store import BUNDLED_PROFILES
from dsprof.harness.traced_launches import (
    TracedLaunch,
    UntracedError,
    function_name,
    median_spans,
    read_launches,
    split_calls,
)

# Nanoseconds between the clock's origin and a trace: more than a float's microseconds
# can tell apart.
ORIGIN_NS = 1_800_000_000_123_456_789
NAMES = st.sampled_from(["gemm", "quant", "Memset (Device)"])


@st.composite
def repeated_calls(draw: st.DrawFn) -> tuple[list[str], list[list[TracedLaunch]]]:
    """What precedes each call, and calls of equal names at drawn times."""
    before = draw(st.lists(st.sampled_from(["flush", "gemm"]), max_size=2))
    names = draw(st.lists(NAMES, min_size=1, max_size=4))
    now_ns = ORIGIN_NS
    calls = []
    for _ in range(draw(st.integers(1, 5))):
        call = []
        for name in (*before, *names):
            time_ns = draw(st.integers(1, 10**6))
            call.append(TracedLaunch(name=name, start_ns=now_ns, time_ns=time_ns))
            now_ns += draw(st.integers(1, 10**6))  # less than the span: an overlap
        calls.append(call)
    return before, calls


def event_of(launch: TracedLaunch) -> dict[str, Any]:
    is_copy = launch.name.startswith("Mem")
    return {
        "ph": "X",
        "cat": "gpu_memset" if is_copy else "kernel",
        "name": launch.name if is_copy else f"void ns::{launch.name}<int>(int)",
        # json.dumps would round them as floats.
        "ts": f"@{launch.start_ns // 1000}.{launch.start_ns % 1000:03}@",
        "dur": f"@{launch.time_ns // 1000}.{launch.time_ns % 1000:03}@",
    }


def trace_of(launches: list[TracedLaunch]) -> str:
    others = [
        {
            "ph": "X",
            "cat": "cuda_runtime",
            "name": "cudaGraphLaunch",
            "ts": 1,
            "dur": 2,
        },
        {"ph": "M", "name": "process_name", "args": {"name": "python"}},
    ]
    events = [*others, *map(event_of, launches)]
    text = json.dumps({"traceEvents": events})
    return text.replace('"@', "").replace('@"', "")


@given(repeated_calls(), st.randoms(use_true_random=False))
def test_each_call_of_a_trace_comes_back_to_the_nanosecond(
    drawn: tuple[list[str], list[list[TracedLaunch]]], random: Random
) -> None:
    before, calls = drawn
    launches = [launch for call in calls for launch in call]
    shuffled = launches.copy()
    random.shuffle(shuffled)  # a trace is in no order
    read = read_launches(trace_of(shuffled))
    assert read == launches
    own = [call[len(before) :] for call in calls]
    assert split_calls(read, len(calls), before) == own


@given(repeated_calls(), st.data())
def test_a_lost_record_is_never_taken_for_a_call(
    drawn: tuple[list[str], list[list[TracedLaunch]]], data: st.DataObject
) -> None:
    before, calls = drawn
    launches = [launch for call in calls for launch in call]
    if len(calls) == 1 and len(launches) > len(before) + 1:
        return  # of a single call, nothing says what is missing at its end
    del launches[data.draw(st.integers(0, len(launches) - 1))]
    with pytest.raises(UntracedError):
        split_calls(launches, len(calls), before)


@given(repeated_calls())
def test_a_single_launch_begins_at_zero_and_lasts_its_own_span(
    drawn: tuple[list[str], list[list[TracedLaunch]]],
) -> None:
    _, calls = drawn
    (call,) = split_calls(calls[0][-1:], 1)
    (span,) = median_spans([call], label="point", cache=Cache.COLD)
    assert (span.start_us, span.time_us) == (0.0, call[0].time_ns / 1000)


def test_spans_are_medians_over_calls() -> None:
    # Starts of the second after the first: 1500, 1700 and 1600 ns; own spans 900,
    # 1000 and 800 ns. Each median is of its own order.
    times = ((10_000, 1000, 11_500, 900), (20_000, 1200, 21_700, 1000),
             (30_000, 1100, 31_600, 800))  # fmt: skip
    calls = [
        [
            TracedLaunch(name="quant", start_ns=start, time_ns=time),
            TracedLaunch(name="gemm", start_ns=next_start, time_ns=next_time),
        ]
        for start, time, next_start, next_time in times
    ]
    first, second = median_spans(calls, label="point", cache=Cache.COLD)
    assert (first.index, first.start_us, first.time_us) == (0, 0.0, 1.1)
    assert (second.index, second.start_us, second.time_us) == (1, 1.6, 0.9)
    assert (second.label, second.function_name, second.calls) == ("point", "gemm", 3)


def launches_named(*names: str) -> list[TracedLaunch]:
    return [
        TracedLaunch(name=name, start_ns=1000 * at, time_ns=500)
        for at, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ((), r"recorded no launch\. Another profiler, such as ncu or nsys"),
        (("flush", "gemm", "flush"), "3 traced launches are not 2 times the same"),
        (("flush", "gemm", "flush", "quant"), "4 traced launches are not 2 times"),
        (("gemm", "flush", "gemm", "flush"), "4 traced launches are not 2 times"),
        (("flush", "flush"), "The call launched nothing"),
    ],
)
def test_what_is_not_the_same_call_twice_is_refused(
    names: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(UntracedError, match=problem):
        split_calls(launches_named(*names), 2, ["flush"])


@pytest.mark.parametrize(
    ("demangled", "name"),
    [
        ("fused_moe_kernel", "fused_moe_kernel"),
        ("void at::native::(anonymous namespace)::fill<at::A<float> >(float*, int)",
         "fill"),
        ("std::enable_if<(n > 0), int>::type internal::gemv<(bool)1, (a < b)>(int)",
         "gemv"),
        ("void cutlass::device_kernel<Gemm<x, std::tuple<a, b>>>(Gemm<x>::Params)",
         "device_kernel"),
        ("void run<f(int)::{lambda(int)#1}>(int, {lambda(int)#1})", "run"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_kernel_has_the_name_of_its_function(demangled: str, name: str) -> None:
    assert function_name(demangled) == name


def test_function_names_are_those_that_ncu_reports() -> None:
    compared = 0
    for path in BUNDLED_PROFILES.glob("*/*/counters.csv"):
        with Path(path).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                assert function_name(row["kernel_name"]) == row["function_name"]
                compared += 1
    assert compared > 100


@given(st.text())
def test_any_text_has_a_function_name(text: str) -> None:
    assert text == "" or function_name(text) != ""
