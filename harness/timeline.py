"""Whole-program timelines: which kernels ran, how often and how long, by range.

All times are GPU times in nanoseconds, as the profiler recorded them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

WHOLE = ""  # the range that is the whole recording


class TimelineTool(StrEnum):
    """What recorded a timeline."""

    NSYS = "nsys"
    TORCH = "torch"  # torch.profiler, a Kineto trace


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelTime:
    """Launches of one kernel within one range.

    There is one row a kernel name, with ``grid`` and ``block`` None, and one more for
    each of its launch configurations: either kind alone counts every launch once.
    ``device`` is None where the row's launches ran on several GPUs.
    """

    range: str = WHOLE
    kernel_name: str  # demangled, as the tool prints it
    grid: tuple[int, int, int] | None = None
    block: tuple[int, int, int] | None = None
    device: int | None = 0
    instances: int
    total_ns: int
    median_ns: float
    min_ns: int
    max_ns: int
    stddev_ns: float  # of the sample; 0 of a single launch

    @property
    def mean_ns(self) -> float:
        return self.total_ns / self.instances


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTime:
    """One GPU's part of a range."""

    device: int
    busy_ns: int
    kernel_ns: int
    copy_ns: int
    kernels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeTime:
    """The GPU work that was launched in the ranges of one name.

    ``wall_ns`` is summed over instances: from the first start to the last end of the
    work launched in each. Everything else counts each launch once, also where ranges
    of the name nest, so ``busy_ns`` exceeds neither ``wall_ns`` nor the sum of work.
    """

    name: str  # the range's message, or WHOLE
    domain: str = ""  # of NVTX; several with commas
    instances: int  # that launched GPU work
    wall_ns: int
    busy_ns: int  # union of the intervals in which any GPU worked
    kernel_ns: int  # sum of kernel times
    copy_ns: int  # sum of memcpy and memset times
    kernels: int  # launches
    graph_ns: int = 0  # CUDA graphs that were recorded whole, without their kernels
    devices: tuple[DeviceTime, ...] = ()  # where more than one GPU worked

    @property
    def gap_ns(self) -> int:
        """Wall time in which no GPU worked."""
        return self.wall_ns - self.busy_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One recording of a program, reduced to its ranges and kernels.

    ``ranges`` begins with the whole recording. ``kernels`` has rows of every range
    that was asked for, or of the whole recording where none was.
    """

    tool: TimelineTool
    tool_version: str = ""
    program: str = ""  # its command line, where the recording says
    range: str = WHOLE  # the first that was asked for
    started: str = ""  # ISO 8601, UTC
    wall_s: float = 0.0  # that the recording covers
    mode: str = ""  # "eager", "CUDA graph" or "eager and CUDA graph", where known
    ranges: tuple[RangeTime, ...] = ()
    seen_ranges: tuple[str, ...] = ()  # names that occur, the most frequent first
    device_names: tuple[str, ...] = ()  # of the GPUs that worked, each name once
    compute_capability: tuple[int, int] = (0, 0)  # (0, 0) where unknown or mixed
    notes: tuple[str, ...] = ()  # what the numbers leave out, and why
    about: Mapping[str, str] = field(default_factory=dict)  # what the program says
    kernels: tuple[KernelTime, ...] = ()

    def range_time(self, name: str) -> RangeTime | None:
        """The times of a range, or None where it was not asked for."""
        return next((time for time in self.ranges if time.name == name), None)

    def kernel_rows(self, name: str) -> tuple[KernelTime, ...]:
        """One row a kernel name of a range, the longest total first."""
        rows = (row for row in self.kernels if row.range == name and row.grid is None)
        return tuple(sorted(rows, key=lambda row: (-row.total_ns, row.kernel_name)))

    def configurations(self, name: str, kernel_name: str) -> tuple[KernelTime, ...]:
        """A kernel's launch configurations in a range, the longest total first."""
        rows = (
            row
            for row in self.kernels
            if (row.range, row.kernel_name) == (name, kernel_name)
            and row.grid is not None
        )
        return tuple(sorted(rows, key=lambda row: -row.total_ns))
