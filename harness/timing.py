"""The stopwatch: times a call by CUDA graph replays, with a warm or a cold L2.

A sample is one replay of a graph of n calls, over n. Warm: the calls follow each
other; n is chosen so that a replay lasts at least MIN_REPLAY_US, and what a replay
costs beyond its kernels is measured once and subtracted. Cold: each call stands
between two event record nodes, after a kernel that reads twice the L2's size, so
that the L2 holds clean lines of something else when the call starts; only the time
between the records counts.
"""

import math
import statistics
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from dsprof.harness.clocks import ClockReader, ClockSample
from dsprof.harness.records import Cache
from dsprof.harness.samples import SampleSet

if TYPE_CHECKING:
    import torch

# On an H200 a replay costs 2 to 3 us beyond its kernels; of 250 us that is 1 %, and
# what the subtraction leaves of it is under 0.5 %.
MIN_REPLAY_US = 250.0
MAX_CALLS_PER_GRAPH = 512
ESTIMATE_REPLAYS = 5
# Spins the GPU for about 2 ms at 2 GHz, so that everything launched after it is
# queued before it starts and no host delay falls between two records.
HEAD_START_CYCLES = 4_000_000
CALIBRATION_CALLS = 65
CALIBRATION_REPLAYS = 100
FLUSH_L2_MULTIPLE = 2
# A single cold call of 3 us scatters by 5 %, the mean of four by half of that.
MIN_COLD_SAMPLE_US = 12.0
MAX_COLD_CALLS_PER_GRAPH = 4
RECORD_CALIBRATION_PAIRS = 20
MS_TO_US = 1000


class Stopwatch(Protocol):
    """Times a call without arguments; the second value was read while it ran."""

    @property
    def overheads_us(self) -> Mapping[str, float]: ...

    def warm(
        self, call: Callable[[], object], *, warmups: int, replays: int
    ) -> tuple[SampleSet, ClockSample]: ...

    def cold(
        self, call: Callable[[], object], *, warmups: int, replays: int
    ) -> tuple[SampleSet, ClockSample]: ...


class GraphStopwatch:
    """Times by graph replays on a stream of its own.

    ``replay_overhead_us`` is the time between the records around a replay that its
    kernels do not take; ``record_overhead_us`` that between two adjacent record
    nodes. Both are measured when the stopwatch is made.
    """

    def __init__(self, clocks: ClockReader) -> None:
        import torch

        self._torch = torch
        self._clocks = clocks
        self._stream = torch.cuda.Stream()
        l2_bytes = torch.cuda.get_device_properties().L2_cache_size
        self._flush_source = torch.ones(
            FLUSH_L2_MULTIPLE * l2_bytes // 4, dtype=torch.float32, device="cuda"
        )
        self._flush_sum = torch.empty((), dtype=torch.float32, device="cuda")
        self.replay_overhead_us = self._measure_replay_overhead()
        self.record_overhead_us = self._measure_record_overhead()

    @property
    def overheads_us(self) -> dict[str, float]:
        """What is subtracted from each sample, by the cache state it is taken in."""
        return {
            Cache.WARM: round(self.replay_overhead_us, 3),
            Cache.COLD: round(self.record_overhead_us, 3),
        }

    def warm(
        self, call: Callable[[], object], *, warmups: int, replays: int
    ) -> tuple[SampleSet, ClockSample]:
        with self._torch.cuda.stream(self._stream):
            single = self._capture(call, 1)
            single_us = self._queued_median(single, ESTIMATE_REPLAYS)
            call_us = single_us - self.replay_overhead_us
            calls = _clamp(MIN_REPLAY_US / call_us, 1, MAX_CALLS_PER_GRAPH)
            graph = single if calls == 1 else self._capture(call, calls)
            for _ in range(warmups):
                graph.replay()
            records = self._record_replays(graph, replays)
            clocks = self._clocks.read()  # the GPU is in the middle of the replays
            times_us = self._elapsed(records)
        return SampleSet(
            times_us=tuple((t - self.replay_overhead_us) / calls for t in times_us),
            calls_per_sample=calls,
            overhead_us=self.replay_overhead_us,
        ), clocks

    def cold(
        self, call: Callable[[], object], *, warmups: int, replays: int
    ) -> tuple[SampleSet, ClockSample]:
        with self._torch.cuda.stream(self._stream):
            graph, records = self._capture_cold(call, 1)
            for _ in range(warmups):
                graph.replay()
            call_us = self._elapsed(records)[0] - self.record_overhead_us
            calls = _clamp(MIN_COLD_SAMPLE_US / call_us, 1, MAX_COLD_CALLS_PER_GRAPH)
            if calls > 1:
                graph, records = self._capture_cold(call, calls)
            graph.replay()
            clocks = self._clocks.read()
            times_us: list[float] = []
            for _ in range(replays):
                graph.replay()
                times_us.append(statistics.fmean(self._elapsed(records)))
        return SampleSet(
            times_us=tuple(t - self.record_overhead_us for t in times_us),
            calls_per_sample=calls,
            overhead_us=calls * self.record_overhead_us,
        ), clocks

    def flush_l2(self) -> None:
        """Read twice the L2's size, which leaves no line of the call behind.

        A flush that writes would leave dirty lines, and the timed call would pay
        for writing them back: dsv3_fused_a_gemm took 14.2 instead of 10.8 us so.
        """
        self._torch.sum(self._flush_source, dim=0, out=self._flush_sum)

    def _capture(
        self, call: Callable[[], object], calls: int
    ) -> "torch.cuda.CUDAGraph":
        import torch

        call()
        torch.cuda.synchronize()
        graph: torch.cuda.CUDAGraph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            for _ in range(calls):
                call()
        return graph

    def _capture_cold(
        self, call: Callable[[], object], calls: int
    ) -> "tuple[torch.cuda.CUDAGraph, list[tuple[torch.cuda.Event, torch.cuda.Event]]]":
        import torch

        pairs = [
            (self._event(external=True), self._event(external=True))
            for _ in range(calls)
        ]
        self.flush_l2()
        call()
        torch.cuda.synchronize()
        graph: torch.cuda.CUDAGraph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            for before, after in pairs:
                self.flush_l2()
                before.record()
                call()
                after.record()
        return graph, pairs

    def _record_replays(
        self, graph: "torch.cuda.CUDAGraph", replays: int
    ) -> "list[tuple[torch.cuda.Event, torch.cuda.Event]]":
        pairs = [(self._event(), self._event()) for _ in range(replays)]
        for before, after in pairs:
            before.record()
            graph.replay()
            after.record()
        return pairs

    def _queued_median(self, graph: "torch.cuda.CUDAGraph", replays: int) -> float:
        """Median time of a replay, all of them queued before the first one starts."""
        self._torch.cuda._sleep(HEAD_START_CYCLES)  # noqa: SLF001 -- torch's only spin kernel
        return statistics.median(self._elapsed(self._record_replays(graph, replays)))

    def _elapsed(
        self, pairs: "list[tuple[torch.cuda.Event, torch.cuda.Event]]"
    ) -> list[float]:
        self._torch.cuda.synchronize()
        return [before.elapsed_time(after) * MS_TO_US for before, after in pairs]

    def _event(self, *, external: bool = False) -> "torch.cuda.Event":
        return self._torch.cuda.Event(enable_timing=True, external=external)

    def _measure_replay_overhead(self) -> float:
        """Intercept of a replay's time over its node count, on a one-element add."""
        element = self._torch.zeros(1, device="cuda")

        def add() -> None:
            element.add_(1)

        with self._torch.cuda.stream(self._stream):
            graphs = self._capture(add, 1), self._capture(add, CALIBRATION_CALLS)
            one_us, many_us = (
                min(self._queued_median(graph, CALIBRATION_REPLAYS) for _ in range(3))
                for graph in graphs
            )
        return max(one_us - (many_us - one_us) / (CALIBRATION_CALLS - 1), 0.0)

    def _measure_record_overhead(self) -> float:
        times_us: list[float] = []
        with self._torch.cuda.stream(self._stream):
            graph, records = self._capture_cold(lambda: None, RECORD_CALIBRATION_PAIRS)
            for _ in range(ESTIMATE_REPLAYS):
                graph.replay()
                times_us += self._elapsed(records)
        return statistics.median(times_us)


def _clamp(count: float, low: int, high: int) -> int:
    """Round up to a whole number of calls between the two; a negative count is high."""
    return min(max(math.ceil(count), low), high) if count > 0 else high


class TritonStopwatch(GraphStopwatch):
    """Warm times by Triton's own do_bench_cudagraph: ten averages of about 20 ms.

    Cold times are still our own, because Triton's function never flushes the L2.
    """

    def warm(
        self, call: Callable[[], object], *, warmups: int, replays: int
    ) -> tuple[SampleSet, ClockSample]:
        """Time by Triton, which takes its own number of warm-ups and replays."""
        del warmups, replays
        import triton.testing

        times_ms = triton.testing.do_bench_cudagraph(call, return_mode="all")
        return SampleSet(
            times_us=tuple(time_ms * MS_TO_US for time_ms in times_ms),
            calls_per_sample=None,
            overhead_us=0.0,
        ), self._clocks.read()
