"""One GPU process: takes points on standard input, answers with measurements.

It may die alone. The first line it reads is the sweep, every further one what to do
and the point to do it with; its first answer is a greeting or an error, every further
one an outcome. All are one JSON object a line. What libraries print goes to standard
error.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import IO, TypeAlias

from dsprof.harness.bench import Bench, Instruments
from dsprof.harness.clocks import NvmlClocks
from dsprof.harness.errors import INSTALL_GPU, DsprofError, EnvironmentLacksError
from dsprof.harness.graph_tracer import GraphTracer
from dsprof.harness.memory import free_memory
from dsprof.harness.plain import from_plain, to_plain
from dsprof.harness.records import Point, Sweep
from dsprof.harness.timing import GraphStopwatch, TritonStopwatch

PR_SET_PDEATHSIG = 1  # linux/prctl.h
STOPWATCHES = {"graph": GraphStopwatch, "do_bench_cudagraph": TritonStopwatch}


class Ask(StrEnum):
    """What a worker can do with a point."""

    MEASURE = "measure"
    TRACE = "trace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """The GPU that the worker sees, and the kernels that it cannot call there."""

    gpu_name: str
    gpu_uuid: str
    compute_capability: tuple[int, int]
    l2_bytes: int
    overheads_us: Mapping[str, float]  # of the stopwatch, by what is timed
    missing: Mapping[str, str]  # kernel -> reason


OpenBench: TypeAlias = Callable[[Sweep], tuple[Bench, Greeting]]


def main(open_bench: OpenBench | None = None) -> None:
    """Serve on the process's own standard input and output."""
    _end_with_parent()
    # Libraries print to descriptor 1; answers go out on a duplicate of it.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, answers, open_bench or open_gpu)


def _end_with_parent() -> None:
    """Have the kernel end this process when the one that started it is killed.

    Otherwise a point that hangs would keep the GPU after a `kill -9` of dsprof.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def serve(requests: IO[str], answers: IO[str], open_bench: OpenBench) -> None:
    """Answer requests until they end or the GPU context is lost."""
    sweep = from_plain(Sweep, json.loads(requests.readline()))
    try:
        bench, greeting = open_bench(sweep)
    except DsprofError as error:
        _send(answers, {"error": str(error)})
        return
    _send(answers, {"greeting": to_plain(greeting)})
    for line in requests:
        ((asked, plain),) = json.loads(line).items()
        point = from_plain(Point, plain)
        tracing = Ask(asked) is Ask.TRACE
        outcome = bench.trace(point) if tracing else bench.measure(point)
        _send(answers, {"outcome": to_plain(outcome)})
        if outcome.context_lost:
            return


def open_gpu(sweep: Sweep) -> tuple[Bench, Greeting]:
    """Open the current CUDA device, or say which part of the machine is missing."""
    torch = _import_torch()
    if not torch.cuda.is_available():
        raise EnvironmentLacksError(
            f"torch {torch.__version__} sees no CUDA device. Run on a machine with an "
            "NVIDIA GPU, with a driver and a CUDA build of torch; see: dsprof doctor."
        )
    _require_nvtx()
    device = torch.cuda.get_device_properties()
    gpu_uuid = f"GPU-{device.uuid}"
    stopwatch = STOPWATCHES[sweep.timer](NvmlClocks(gpu_uuid))
    compute_capability = (device.major, device.minor)
    bench = Bench(
        sweep,
        device="cuda",
        compute_capability=compute_capability,
        instruments=Instruments(
            stopwatch=stopwatch,
            tracer=GraphTracer(stopwatch.flush_l2),
            free_bytes=free_memory,
        ),
    )
    reasons = {name: bench.missing_reason(name) for name in sweep.kernels}
    return bench, Greeting(
        gpu_name=device.name,
        gpu_uuid=gpu_uuid,
        compute_capability=compute_capability,
        l2_bytes=device.L2_cache_size,
        overheads_us=stopwatch.overheads_us,
        missing={name: reason for name, reason in reasons.items() if reason},
    )


def _import_torch() -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise EnvironmentLacksError(
            f"torch cannot be imported ({error}). Install it and the kernel packages "
            f"with: {INSTALL_GPU}."
        ) from error
    return torch


def _require_nvtx() -> None:
    try:
        import nvtx  # noqa: F401
    except ImportError as error:
        raise EnvironmentLacksError(
            f"nvtx cannot be imported ({error}); points would carry no range. "
            f"Install it with: {INSTALL_GPU}."
        ) from error


def _send(answers: IO[str], message: Mapping[str, object]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
