"""The tracer: records the launches of a call inside its CUDA graph.

A process that has once been traced may launch more slowly, so no point is timed
after one was traced.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dsprof.harness.records import Cache
from dsprof.harness.traced_launches import TracedLaunch, read_launches, split_calls

if TYPE_CHECKING:
    import torch

TRACED_CALLS = 5
# What torch/profiler/profiler.py sets for graphs of its own compiler: they crash in
# a later trace where CUPTI was taken down after the first.
KEEP_CUPTI = {"DISABLE_CUPTI_LAZY_REINIT": "1", "TEARDOWN_CUPTI": "0"}


class Tracer(Protocol):
    """Traces a call without arguments: the launches of each of some equal calls."""

    def trace(
        self, call: Callable[[], object], cache: Cache, *, warmups: int
    ) -> Sequence[Sequence[TracedLaunch]]: ...


class GraphTracer:
    """Traces replays of a graph of one call, with torch.profiler.

    ``flush_l2`` stands in the graph before a cold call, as it does when the call is
    timed. What it launches is traced once without a call, and its launches are told
    from the call's by their number and names.
    """

    def __init__(self, flush_l2: Callable[[], None]) -> None:
        import torch

        self._flush_l2 = flush_l2
        self._stream = torch.cuda.Stream()
        self._flush: tuple[str, ...] | None = None

    def trace(
        self, call: Callable[[], object], cache: Cache, *, warmups: int
    ) -> list[list[TracedLaunch]]:
        flush = self._flush_names()
        if cache is Cache.WARM:
            return split_calls(self._replayed(call, warmups), TRACED_CALLS)

        def cold_call() -> None:
            self._flush_l2()
            call()

        return split_calls(self._replayed(cold_call, warmups), TRACED_CALLS, flush)

    def _flush_names(self) -> tuple[str, ...]:
        """Names of what a flush launches, in order."""
        import torch

        if self._flush is None:
            os.environ.update(KEEP_CUPTI)
            # CUPTI is there before the first graph that it is to look into.
            record(lambda: None, torch.profiler.ProfilerActivity.CUDA)
            calls = split_calls(self._replayed(self._flush_l2, 1), TRACED_CALLS)
            self._flush = tuple(launch.name for launch in calls[0])
        return self._flush

    def _replayed(self, call: Callable[[], object], warmups: int) -> list[TracedLaunch]:
        """Capture the call and trace TRACED_CALLS replays of it."""
        import torch

        torch.cuda.synchronize()  # the arguments were made on another stream
        with torch.cuda.stream(self._stream):
            call()
            torch.cuda.synchronize()
            graph: torch.cuda.CUDAGraph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=self._stream):
                call()
            for _ in range(warmups):
                graph.replay()

            def replay() -> None:
                for _ in range(TRACED_CALLS):
                    graph.replay()
                torch.cuda.synchronize()

            text = record(replay, torch.profiler.ProfilerActivity.CUDA)
        return read_launches(text)


def record(
    work: Callable[[], None], activity: "torch.profiler.ProfilerActivity"
) -> str:
    """Trace the second of two runs of ``work``; the first one only wakes the profiler.

    Returns Kineto's JSON. ``work`` waits for what it launches.
    """
    import torch

    schedule = torch.profiler.schedule(wait=0, warmup=1, active=1, repeat=1)
    with torch.profiler.profile(
        activities=[activity], schedule=schedule, acc_events=True
    ) as profiler:
        for _ in range(2):
            work()
            profiler.step()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        return trace.read_text(encoding="utf-8")
