"""What is written: one Measurement a point, and the words it uses."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dsprof.harness.device import Datapath

ALL_PROVIDERS = "all"


class Phase(StrEnum):
    """Which half of inference a workload belongs to."""

    DECODE = "decode"  # one new token a request: tokens = B
    PREFILL = "prefill"  # the whole prompt at once: tokens = B * S


class Status(StrEnum):
    """How a planned point ended. Every planned point has exactly one."""

    OK = "ok"
    UNSUPPORTED = "unsupported"  # this GPU cannot run the kernel
    UNAVAILABLE = "unavailable"  # no installed package has it in a callable form
    OUT_OF_LIMIT = "out_of_limit"  # the kernel does not take this shape
    INCORRECT = "incorrect"  # ran, but its output is not the reference's
    FAILED = "failed"  # raised, crashed or ran out of memory
    TIMEOUT = "timeout"

    @property
    def is_finding(self) -> bool:
        """True where the run, not nature, kept the point from being timed."""
        return self in {Status.INCORRECT, Status.FAILED, Status.TIMEOUT}


class Bound(StrEnum):
    """The roof that limits a point, judged by its analytic intensity."""

    COMPUTE = "compute"
    MEMORY = "memory"


class Cache(StrEnum):
    """State of the L2 cache when a timed call starts."""

    WARM = "warm"  # as the previous replay of the same call left it
    COLD = "cold"  # filled with clean foreign lines


class TimingState(StrEnum):
    """How far a sample set can be trusted."""

    STABLE = "stable"  # 95 % interval of the median within 1 % of it
    NOISY = "noisy"  # wider than that
    THROTTLED = "throttled"  # the GPU held its clock down while it ran


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Statistics of one sample set; times are per call, in microseconds.

    Clocks, power and throttle reasons are one NVML reading while it ran. NVML
    refreshes power about every 100 ms, so after a short point it is partly the one
    before's.
    """

    median_us: float
    mad_us: float
    p05_us: float
    p95_us: float
    ci_low_us: float  # bootstrap 95 % interval of the median
    ci_high_us: float
    samples: int
    calls_per_sample: int | None  # None where the timer does not say
    overhead_us: float  # of one sample, already subtracted
    sm_clock_mhz: int
    memory_clock_mhz: int
    power_w: float
    throttle_reasons: tuple[str, ...]
    state: TimingState


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """The limits that a point's percentages are percentages of."""

    name: str  # e.g. "spec h200-sxm"
    flops_per_s: float  # of the point's datapath
    bytes_per_s: float

    @property
    def ridge_point(self) -> float:
        return self.flops_per_s / self.bytes_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The identity of a measurement: one kernel, op and problem size."""

    kernel: str
    op: str
    phase: Phase
    batch_size: int
    seq_len: int
    kv_len: int | None = None
    provider: str = ""  # the one asked for; empty: the first that works

    @property
    def tokens(self) -> int:
        """Rows that the layer processes: B in decode (S is 1), B * S in prefill."""
        return self.batch_size * self.seq_len

    @property
    def label(self) -> str:
        """One line without spaces; the message of the point's NVTX range."""
        kv = "" if self.kv_len is None else f",kv={self.kv_len}"
        op = self.op.replace(" ", "_")
        provider = f",provider={self.provider}" if self.provider else ""
        size = f"B={self.batch_size},S={self.seq_len}{kv}{provider}"
        return f"{self.kernel}/{op}/{self.phase}/{size}"


class LayerPath(StrEnum):
    """Which account of the layer a slot belongs to."""

    AS_LISTED = "as-listed"  # the rows of the model's kernel list
    AS_SERVED = "as-served"  # what the checkpoint runs, steps off that list included


class LayerKind(StrEnum):
    """Which layers of the model run a slot."""

    BOTH = "both"  # dense layers and MoE layers
    DENSE = "dense"
    MOE = "moe"
    FIRST = "first"  # layer 0 alone
    LATER = "later"  # all but layer 0
    ONCE = "once"  # outside the layers, once a pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A kernel and the op that it is called for."""

    kernel: str
    op: str

    @property
    def label(self) -> str:
        return f"{self.kernel} {self.op}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One way to do a slot's work: calls that belong together.

    ``stands_in`` marks a counterpart: not what the model runs, but what does the
    same work where that cannot run.
    """

    calls: tuple[Call, ...]
    stands_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One step of the layer in a phase, done by exactly one of its alternatives.

    ``kernel`` and ``op`` name the step; they are its only alternative where
    ``alternatives``, the best first, is empty.
    """

    phase: Phase
    kernel: str
    op: str
    path: LayerPath = LayerPath.AS_LISTED
    layer: LayerKind = LayerKind.MOE
    step: str = ""  # what it does, where kernel and op do not say
    count: int = 1  # times that such a layer does it
    alternatives: tuple[Alternative, ...] = ()

    @property
    def choices(self) -> tuple[Alternative, ...]:
        """Every way to do the step, the best first; never empty."""
        own = Alternative(calls=(Call(kernel=self.kernel, op=self.op),))
        return self.alternatives or (own,)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """A kernel as the run knew it, so that a report needs no kernel file.

    ``reason`` is empty where the recording GPU and packages could run it.
    """

    name: str
    source: str
    category: str
    summary: str
    ops: tuple[str, ...]
    limits: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelParameter:
    """One size of the profiled model, under its name and its usual symbol."""

    name: str
    value: int
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedPoint:
    """One point timed twice in a row: the difference is the run's noise."""

    label: str
    cache: Cache
    first_us: float
    second_us: float

    @property
    def difference_pct(self) -> float:
        mean_us = (self.first_us + self.second_us) / 2
        return 100 * abs(self.first_us - self.second_us) / mean_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What was asked for: the options that decide which points are planned."""

    kernels: tuple[str, ...]
    ops: tuple[str, ...]  # empty: every op of those kernels
    phases: tuple[Phase, ...]
    decode_batch_sizes: tuple[int, ...]
    prefill_batch_sizes: tuple[int, ...]
    seq_lens: tuple[int, ...]
    kv_lens: tuple[int, ...]
    caches: tuple[Cache, ...]
    timer: str
    warmups: int
    replays: int
    timeout_s: float
    provider: str = ""  # a provider's name, ALL_PROVIDERS, or the first that works
    launches: bool = False  # trace each call's launches, after all timings


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """How a finished run went. Absent from a profile whose run was cut off."""

    started: str  # ISO 8601, UTC; of the last part, if the run was resumed
    wall_s: float  # of that part, worker start-up included
    points: int  # measured in that part
    gpu_busy_pct: float | None  # mean of NVML's utilisation over the run


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One point with everything needed to explain it later without its kernel file.

    ``m, n, k`` are the GEMM's sizes, or rows, row width and 0 for other kernels.
    ``flops`` and bytes are analytic: compulsory traffic, scale factors included.
    ``error`` and ``error_limit`` are in the unit of the kernel's tolerance.
    ``warm`` and ``cold`` are None unless status is ok; ``reason`` is empty if ok.
    """

    point: Point
    status: Status
    reason: str = ""
    source: str = ""  # the library the kernel belongs to
    category: str = ""
    provider: str = ""  # the package and version whose code ran
    dtype: str = ""
    m: int = 0
    n: int = 0
    k: int = 0
    flops: Mapping[Datapath, int] = field(default_factory=dict)
    bytes_read: int = 0
    bytes_written: int = 0
    distinct_experts: int | None = None  # that got a row; None where nothing is routed
    roof: Roof | None = None
    error: float | None = None
    error_limit: float | None = None
    timer: str = ""
    warm: Timing | None = None
    cold: Timing | None = None
    command: str = ""  # reproduces this row alone

    @property
    def total_flops(self) -> int:
        return sum(self.flops.values())

    @property
    def total_bytes(self) -> int:
        return self.bytes_read + self.bytes_written

    @property
    def datapath(self) -> Datapath:
        """The unit that does most of the FLOP; FP32 for a kernel that does none."""
        if not self.flops:
            return Datapath.FP32
        return max(self.flops, key=lambda path: self.flops[path])

    @property
    def arithmetic_intensity(self) -> float:
        """Analytic FLOP per byte of compulsory traffic; NaN where bytes are unknown."""
        return self.total_flops / self.total_bytes if self.total_bytes else math.nan

    @property
    def bound(self) -> Bound | None:
        """The roof that the analytic intensity points at; None without a roof."""
        if self.roof is None or not self.total_bytes:
            return None
        below_ridge = self.arithmetic_intensity < self.roof.ridge_point
        return Bound.MEMORY if below_ridge else Bound.COMPUTE

    @property
    def roof_time_us(self) -> float:
        """Least time the roof allows for the analytic work; NaN without a roof."""
        if self.roof is None:
            return math.nan
        seconds = max(
            self.total_flops / self.roof.flops_per_s,
            self.total_bytes / self.roof.bytes_per_s,
        )
        return seconds * 1e6

    def timing(self, cache: Cache) -> Timing | None:
        return self.warm if cache is Cache.WARM else self.cold

    def flops_per_s(self, cache: Cache) -> float:
        """Analytic FLOP over median time; NaN without a timing."""
        timing = self.timing(cache)
        return self.total_flops / (timing.median_us * 1e-6) if timing else math.nan

    def bytes_per_s(self, cache: Cache) -> float:
        """Compulsory bytes over median time; NaN without a timing.

        Warm values can exceed the HBM peak: the bytes then come from L2.
        """
        timing = self.timing(cache)
        return self.total_bytes / (timing.median_us * 1e-6) if timing else math.nan

    def peak_pct(self, cache: Cache) -> float:
        """Share of the bounding roof reached, in percent, never clipped."""
        if self.roof is None:
            return math.nan
        if self.bound is Bound.COMPUTE:
            return 100 * self.flops_per_s(cache) / self.roof.flops_per_s
        return 100 * self.bytes_per_s(cache) / self.roof.bytes_per_s
