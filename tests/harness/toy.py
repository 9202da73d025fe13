"""Kernels that run on a CPU and misbehave on purpose, and a stopwatch for them."""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from dsprof.harness.clocks import ClockSample
from dsprof.harness.device import Datapath
from dsprof.harness.graph_tracer import Tracer
from dsprof.harness.records import Cache
from dsprof.harness.samples import SampleSet
from dsprof.harness.traced_launches import TracedLaunch, split_calls
from dsprof.kernels.spec import (
    Category,
    Cost,
    Kernel,
    Limit,
    Op,
    Provider,
    Source,
    TensorMaker,
    Tensors,
    Tolerance,
    Traffic,
    Workload,
)

Call = Callable[[Tensors], Tensors]

CRASHING_BATCH = 2
FREE_BYTES = 10**9  # of the toy GPU's memory


class FakeStopwatch:
    """Calls once a replay and reports 10 us warm and 20 us cold."""

    overheads_us = {"warm": 2.0, "cold": 1.0}  # noqa: RUF012 -- read only

    def __init__(self) -> None:
        self.calls = 0

    def warm(
        self, call: Callable[[], object], *, warmups: int, replays: int
    ) -> tuple[SampleSet, ClockSample]:
        return self._time(call, warmups + replays, replays, 10.0)

    def cold(
        self, call: Callable[[], object], *, warmups: int, replays: int
    ) -> tuple[SampleSet, ClockSample]:
        return self._time(call, warmups + replays, replays, 20.0)

    def _time(
        self, call: Callable[[], object], calls: int, replays: int, time_us: float
    ) -> tuple[SampleSet, ClockSample]:
        for _ in range(calls):
            call()
        self.calls += calls
        samples = SampleSet(
            times_us=(time_us,) * replays, calls_per_sample=1, overhead_us=1.0
        )
        clocks = ClockSample(
            sm_clock_mhz=1000,
            memory_clock_mhz=2000,
            power_w=100.0,
            throttle_reasons=(),
        )
        return samples, clocks


class FakeTracer:
    """Calls once and reports two launches a call: 3 us, then after 1 us 5 us."""

    def trace(
        self, call: Callable[[], object], cache: Cache, *, warmups: int
    ) -> list[list[TracedLaunch]]:
        del cache, warmups
        call()
        first = TracedLaunch(name="first_kernel", start_ns=7000, time_ns=3000)
        second = TracedLaunch(name="second_kernel", start_ns=11_000, time_ns=5000)
        return [[first, second]] * 3


class BlindTracer:
    """As GraphTracer where another profiler holds CUPTI."""

    def trace(
        self, call: Callable[[], object], cache: Cache, *, warmups: int
    ) -> list[list[TracedLaunch]]:
        del call, cache, warmups
        return split_calls([], 3)


class DyingTracer(FakeTracer):
    """Takes its process along at one batch size."""

    def trace(
        self, call: Callable[[], object], cache: Cache, *, warmups: int
    ) -> list[list[TracedLaunch]]:
        crash({"input": call()["out"], "out": call()["out"]})  # type: ignore[index]
        return super().trace(call, cache, warmups=warmups)


TRACERS: dict[str, type[Tracer]] = {
    "fake": FakeTracer,
    "blind": BlindTracer,
    "dying": DyingTracer,
}


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    return {
        "input": make.normal(work.tokens, work["n"]),
        "out": make.output(work.tokens, work["n"]),
    }


def reference(_work: Workload, args: Tensors) -> Tensors:
    return {"out": args["input"].float() * 2}


def cost(work: Workload) -> Cost:
    elements = work.tokens * work["n"]
    return Cost(
        flops={Datapath.FP32: elements},
        bytes_read=2 * elements,
        bytes_written=2 * elements,
    )


def double(args: Tensors) -> Tensors:
    args["out"].copy_(args["input"] * 2)
    return {"out": args["out"]}


def triple(args: Tensors) -> Tensors:
    args["out"].copy_(args["input"] * 3)
    return {"out": args["out"]}


def leave_last_row(args: Tensors) -> Tensors:
    args["out"][:-1].copy_(args["input"][:-1] * 2)
    return {"out": args["out"]}


def allocate_and_leave(args: Tensors) -> Tensors:
    import torch

    return {"out": torch.empty_like(args["out"])}


def give_nan(args: Tensors) -> Tensors:
    args["out"].copy_(args["input"] * float("nan"))
    return {"out": args["out"]}


def complain(_args: Tensors) -> Tensors:
    raise RuntimeError("the kernel refused\nand said more")


def crash(args: Tensors) -> Tensors:
    """Die as on an illegal instruction, but only at one batch size."""
    if len(args["input"]) == CRASHING_BATCH:
        sys.stderr.write("CUDA error: an illegal instruction was encountered\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGILL)
    return double(args)


def hang(args: Tensors) -> Tensors:
    if len(args["input"]) == CRASHING_BATCH:
        time.sleep(60)
    return double(args)


def shout(args: Tensors) -> Tensors:
    """Print to standard output, as libraries do while they build something."""
    os.write(1, b'{"outcome": "not an answer"}\n')
    return double(args)


def toy(name: str, call: Call) -> Kernel:
    return Kernel(
        name=name,
        source=Source.TRITON,
        category=Category.NORM,
        summary="doubles its input",
        dtype="bfloat16",
        ops=(Op(name="small", axes={"n": 8}), Op(name="large", axes={"n": 64})),
        min_compute_capability=(8, 0),
        providers=(
            Provider(
                package="dsprof",
                distribution="dsprof",
                symbols=(),
                prepare=lambda _api, _work, args: partial(call, args),
            ),
        ),
        make_inputs=make_inputs,
        reference=reference,
        tolerance={"out": Tolerance(atol=1e-2, rtol=1e-2)},
        cost=cost,
        traffic=Traffic(read=("input",), written=("out",)),
    )


CALLS = {
    "double": double,
    "triple": triple,
    "leave_last_row": leave_last_row,
    "allocate_and_leave": allocate_and_leave,
    "give_nan": give_nan,
    "complain": complain,
    "crash": crash,
    "hang": hang,
    "shout": shout,
}
KERNELS = {name: toy(name, call) for name, call in CALLS.items()}
KERNELS["absent"] = replace(
    toy("absent", double),
    providers=(
        replace(
            toy("absent", double).providers[0],
            package="toylib",
            distribution="toy-lib",
        ),
    ),
)
KERNELS["choice"] = replace(
    toy("choice", double),
    providers=tuple(
        replace(toy("choice", call).providers[0], variant=variant)
        for variant, call in (("broken", complain), ("good", double), ("slow", double))
    ),
)
KERNELS["future"] = replace(
    toy("future", double), name="future", min_compute_capability=(10, 0)
)
KERNELS["limited"] = replace(
    toy("limited", double),
    name="limited",
    limits=(Limit(allows=lambda work: work.tokens <= 1, reason="one token only"),),
)


def moved(api: object, _work: Workload, args: Tensors) -> Callable[[], Tensors]:
    """Call a function of this package as it was before it lost an argument."""
    find = api.load_kernel  # type: ignore[attr-defined]
    return lambda: {"out": find("name", "folder") or args["out"]}


KERNELS["changed"] = replace(
    toy("changed", double),
    providers=(
        replace(
            toy("changed", double).providers[0],
            symbols=("dsprof.kernels.registry:load_kernel",),
            prepare=moved,
        ),
    ),
)
KERNELS["renamed"] = replace(
    toy("renamed", double),
    providers=(
        replace(
            toy("renamed", double).providers[0],
            symbols=("dsprof.kernels.registry:load_a_kernel",),
        ),
    ),
)
