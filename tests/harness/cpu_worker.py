"""A worker process on the CPU: the real protocol and bench, toy kernels, fake time."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch  # noqa: F401 -- so that no point's time limit pays for the import

from dsprof.harness import worker
from dsprof.harness.bench import Bench, Instruments
from dsprof.harness.records import Sweep
from tests.harness.toy import FREE_BYTES, KERNELS, TRACERS, FakeStopwatch

GPU_NAME = sys.argv[1] if len(sys.argv) > 1 else "NVIDIA H200"
TRACER = sys.argv[2] if len(sys.argv) > 2 else "fake"


def open_cpu(sweep: Sweep) -> tuple[Bench, worker.Greeting]:
    bench = Bench(
        sweep,
        device="cpu",
        compute_capability=(9, 0),
        instruments=Instruments(
            stopwatch=FakeStopwatch(),
            tracer=TRACERS[TRACER](),
            free_bytes=lambda: FREE_BYTES,
        ),
        load=KERNELS.__getitem__,
    )
    reasons = {name: bench.missing_reason(name) for name in sweep.kernels}
    return bench, worker.Greeting(
        gpu_name=GPU_NAME,
        gpu_uuid="GPU-0",
        compute_capability=(9, 0),
        l2_bytes=1_000_000,
        overheads_us=FakeStopwatch.overheads_us,
        missing={name: reason for name, reason in reasons.items() if reason},
    )


if __name__ == "__main__":
    worker.main(open_cpu)
