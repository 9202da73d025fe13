"""The current GPU as ceilings need it: its loads, its graphs and its clocks.

It is opened in the command's own process, unlike for a sweep: no kernel package's
code is called, and each pattern is stored when it is measured, so that a time limit
of the caller's loses the one in flight and nothing else.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.harness import ceiling_flops, ceiling_streams
from dsprof.harness.ceiling import Pattern
from dsprof.harness.ceiling_load import Board, Load
from dsprof.harness.ceilings import CeilingError, Rig
from dsprof.harness.clocks import NvmlClocks
from dsprof.harness.errors import INSTALL_GPU, EnvironmentLacksError

if TYPE_CHECKING:
    import torch

LARGEST_BUFFER_BYTES = 4 * 2**30
MEMORY_SHARE = 8  # all buffers together take an eighth of the memory at most
LEAST_L2_MULTIPLE = 4  # of a smaller buffer, too much would come out of L2
MS_PER_S = 1000
STREAMS: dict[Pattern, tuple[int, Callable[[Board, int], list[Load]]]] = {
    Pattern.HBM_READ: (1, ceiling_streams.read_loads),  # buffers, and what uses them
    Pattern.HBM_WRITE: (1, ceiling_streams.write_loads),
    Pattern.HBM_COPY: (2, ceiling_streams.copy_loads),
    Pattern.HBM_TRIAD: (3, ceiling_streams.triad_loads),
}
OTHERS: dict[Pattern, Callable[[Board], list[Load]]] = {
    Pattern.L2_READ: ceiling_streams.l2_read_loads,
    Pattern.BF16_DENSE: ceiling_flops.bf16_loads,
    Pattern.FP8_DENSE: ceiling_flops.fp8_loads,
    Pattern.FP32: ceiling_flops.fp32_loads,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CeilingGpu:
    """The GPU that is measured, under the name that its driver gives it."""

    name: str
    compute_capability: tuple[int, int]
    rig: Rig


def open_gpu() -> CeilingGpu:
    """Open the current CUDA device, or say what this machine lacks for it."""
    try:
        import torch
        import triton  # noqa: F401 -- fails here rather than in the middle
    except ImportError as error:
        raise EnvironmentLacksError(
            f"{error.name} cannot be imported ({error}); roofs are measured with torch "
            f"and triton. Install them with: {INSTALL_GPU}."
        ) from error
    if not torch.cuda.is_available():
        raise EnvironmentLacksError(
            f"torch {torch.__version__} sees no CUDA device. Run on a machine with an "
            "NVIDIA GPU, with a driver and a CUDA build of torch; see: dsprof doctor."
        )
    device = torch.cuda.get_device_properties()
    board = Board(
        device="cuda",
        compute_capability=(device.major, device.minor),
        sms=device.multi_processor_count,
        l2_bytes=device.L2_cache_size,
        memory_bytes=device.total_memory,
    )
    rig = Rig(
        loads=lambda pattern: loads_of(pattern, board),
        open_lane=GraphLane,
        clocks=NvmlClocks(f"GPU-{device.uuid}"),
    )
    return CeilingGpu(
        name=device.name, compute_capability=board.compute_capability, rig=rig
    )


def loads_of(pattern: Pattern, board: Board) -> Sequence[Load]:
    """A pattern's candidates; HBM buffers are as large as the memory has room for."""
    if pattern in OTHERS:
        return OTHERS[pattern](board)
    buffers, make = STREAMS[pattern]
    return largest_that_fits(
        lambda buffer_bytes: make(board, buffer_bytes),
        largest_bytes=min(
            LARGEST_BUFFER_BYTES, board.memory_bytes // MEMORY_SHARE // buffers
        ),
        least_bytes=LEAST_L2_MULTIPLE * board.l2_bytes,
    )


def largest_that_fits(
    make: Callable[[int], Sequence[Load]], *, largest_bytes: int, least_bytes: int
) -> Sequence[Load]:
    """Make loads with the largest buffers, halved until the memory has room."""
    import torch

    unit = ceiling_streams.BUFFER_UNIT_BYTES
    buffer_bytes = largest_bytes
    while buffer_bytes >= least_bytes:
        try:
            return make(buffer_bytes // unit * unit)
        except torch.OutOfMemoryError:
            buffer_bytes //= 2
    raise CeilingError(
        f"No buffers of {least_bytes:,} bytes fit in the GPU's memory. End what else "
        "uses it; nvidia-smi shows that."
    )


class GraphLane:
    """Replays of a CUDA graph of some calls, with an event after each."""

    def __init__(self, call: Callable[[], object], calls: int) -> None:
        import torch

        self._torch = torch
        self._stream = torch.cuda.Stream()
        self._graph: torch.cuda.CUDAGraph = torch.cuda.CUDAGraph()
        call()  # compiled and its workspace allocated before the capture
        torch.cuda.synchronize()
        with torch.cuda.graph(self._graph, stream=self._stream):
            for _ in range(calls):
                call()
        self._begin = self._event()
        self._ends: deque[torch.cuda.Event] = deque()

    def start(self) -> None:
        self._begin.record(self._stream)

    def launch(self) -> None:
        end = self._event()
        with self._torch.cuda.stream(self._stream):
            self._graph.replay()
            end.record()
        self._ends.append(end)

    def wait(self) -> float:
        end = self._ends.popleft()
        end.synchronize()
        return float(self._begin.elapsed_time(end)) / MS_PER_S

    def _event(self) -> "torch.cuda.Event":
        return self._torch.cuda.Event(enable_timing=True)
