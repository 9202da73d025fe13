"""The tracer on a real GPU: run it with pytest -m gpu."""

import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from dsprof.harness.clocks import NvmlClocks
from dsprof.harness.graph_tracer import TRACED_CALLS, GraphTracer, record
from dsprof.harness.launch_span import LaunchSpan
from dsprof.harness.records import Cache
from dsprof.harness.timing import GraphStopwatch
from dsprof.harness.traced_launches import UntracedError, median_spans

if TYPE_CHECKING:
    import torch


def test_only_the_second_of_two_runs_is_recorded() -> None:
    import torch

    runs: list[int] = []

    def work() -> None:
        runs.append(len(runs))
        torch.ones(runs[-1] + 3).numel()

    text = record(work, torch.profiler.ProfilerActivity.CPU)
    assert runs == [0, 1]
    assert text.count('"name": "aten::ones"') == 1


@pytest.fixture(scope="module")
def stopwatch() -> GraphStopwatch:
    import torch

    return GraphStopwatch(NvmlClocks(f"GPU-{torch.cuda.get_device_properties().uuid}"))


@pytest.fixture(scope="module")
def tracer(stopwatch: GraphStopwatch) -> GraphTracer:
    return GraphTracer(stopwatch.flush_l2)


def two_launches(elements: int) -> "tuple[Callable[[], object], list[torch.Tensor]]":
    """An addition of one element and a doubling of so many, each a kernel."""
    import torch

    one = torch.zeros(1, device="cuda")
    many = torch.ones(elements, device="cuda")

    def call() -> None:
        one.add_(1)
        many.mul_(2)

    return call, [one, many]


def spans_of(
    tracer: GraphTracer, call: Callable[[], object], cache: Cache
) -> Sequence[LaunchSpan]:
    calls = tracer.trace(call, cache, warmups=3)
    assert len(calls) == TRACED_CALLS
    return median_spans(calls, label="two", cache=cache)


@pytest.mark.gpu
@pytest.mark.parametrize("cache", list(Cache))
def test_two_launches_are_told_from_the_flush_and_from_each_other(
    tracer: GraphTracer, cache: Cache
) -> None:
    call, _ = two_launches(1 << 26)  # 256 MiB: far beyond any L2
    first, second = spans_of(tracer, call, cache)
    assert first.function_name.endswith("elementwise_kernel")
    assert (first.start_us, first.index, second.index) == (0.0, 0, 1)
    # 512 MiB at 8 TB/s would take 67 us.
    assert second.time_us > 60
    assert first.time_us < 20
    assert second.start_us >= first.time_us


@pytest.mark.gpu
def test_spans_of_a_long_cold_call_add_up_to_its_time(
    tracer: GraphTracer, stopwatch: GraphStopwatch
) -> None:
    call, _ = two_launches(1 << 26)
    samples, _ = stopwatch.cold(call, warmups=3, replays=20)
    *_, last = spans_of(tracer, call, Cache.COLD)
    whole_us = last.start_us + last.time_us
    assert whole_us == pytest.approx(statistics.median(samples.times_us), rel=0.05)


@pytest.mark.gpu
def test_a_second_point_is_traced_as_the_first(tracer: GraphTracer) -> None:
    import torch

    for elements in (1 << 20, 1 << 24):
        call, _ = two_launches(elements)
        assert len(spans_of(tracer, call, Cache.COLD)) == 2
    copy = torch.empty(1 << 20, device="cuda")
    source = torch.ones(1 << 20, device="cuda")
    (span,) = spans_of(tracer, lambda: copy.copy_(source), Cache.COLD)
    assert span.function_name.startswith("Memcpy DtoD")


@pytest.mark.gpu
def test_a_call_that_launches_nothing_is_refused(tracer: GraphTracer) -> None:
    with pytest.raises(UntracedError, match="launched nothing"):
        tracer.trace(lambda: None, Cache.COLD, warmups=1)
