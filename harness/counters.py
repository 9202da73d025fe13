"""What ncu counts of one launch: every counter, its unit and its ncu metrics.

A counter is one field of Counters; its line here is the only place that says which
ncu metrics it is read from and when a capture asks for them. Names were looked up on
sm_80 to sm_120 in Nsight Compute 2025.3 and 2026.3.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any

from dsprof.harness.device import Datapath
from dsprof.harness.records import Cache

STALL_PREFIX = "smsp__average_warps_issue_stalled_"
STALL_SUFFIX = "_per_issue_active.ratio"
NOT_IN_REPORT = "not in the report"


class Ask(StrEnum):
    """When a capture asks for a counter's metrics."""

    ALWAYS = "always"
    DATAPATH = "datapath"  # only where the kernel's arithmetic runs on that unit
    NEVER = "never"  # read where somebody else's report has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Where a counter comes from: the first of ``sources`` that a report has.

    A source is a weighted sum. ``majors`` lists the compute capabilities (major) that
    have a metric, where not all have: of those a report may lack any, of the others
    none, or the sum would leave out a part without a word.
    """

    unit: str
    sources: tuple[Mapping[str, int], ...]
    ask: Ask = Ask.ALWAYS
    majors: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def names(self, major: int) -> tuple[str, ...]:
        """The metrics to ask for on a GPU of this compute capability."""
        for source in self.sources:
            here = tuple(n for n in source if major in self.majors.get(n, (major,)))
            if here:
                return here
        return ()

    def read(self, values: Mapping[str, float]) -> float | None:
        """The counter's value in base units, or None where no source is there."""
        for source in self.sources:
            present = {name: values[name] for name in source if name in values}
            missing = source.keys() - present.keys() - self.majors.keys()
            if present and not missing:
                return sum(source[name] * value for name, value in present.items())
        return None


def _counter(
    unit: str,
    *names: str,
    ask: Ask = Ask.ALWAYS,
    majors: Mapping[str, tuple[int, ...]] | None = None,
) -> Any:  # noqa: ANN401 -- a dataclass field
    """A counter that is one metric; of several names, the first that is there."""
    sources = tuple({name: 1} for name in names)
    return _summed(unit, *sources, ask=ask, majors=majors)


def _summed(
    unit: str,
    *sources: Mapping[str, int],
    ask: Ask = Ask.ALWAYS,
    majors: Mapping[str, tuple[int, ...]] | None = None,
) -> Any:  # noqa: ANN401 -- a dataclass field
    metrics = Metrics(unit=unit, sources=sources, ask=ask, majors=majors or {})
    return field(default=None, metadata={"metrics": metrics})


def _tensor(by_major: Mapping[int, tuple[str, ...]], *children: str) -> Any:  # noqa: ANN401
    """FLOP of one operand type on the tensor cores: parents only, an FMA is two.

    ``children`` add up to the parent; NVIDIA's sections have them in its place.
    """
    majors: dict[str, tuple[int, ...]] = {}
    for major, types in by_major.items():
        for name in types:
            metric = f"{_TENSOR}{name}.sum"
            majors[metric] = (*majors.get(metric, ()), major)
    sources = [dict.fromkeys(majors, 1)]
    if children:
        sources.append({f"{_TENSOR}{name}.sum": 1 for name in children})
    return _summed("", *sources, ask=Ask.DATAPATH, majors=majors)


def _fp32(unit: str) -> dict[str, int]:
    """FLOP an instruction; both units count the same, the one sums what the other has.

    Other people's captures ask for either.
    """
    flops = {"fadd": 1, "fmul": 1, "ffma": 2, "fadd2": 2, "fmul2": 2, "ffma2": 4}
    return {
        f"{unit}__sass_thread_inst_executed_op_{op}_pred_on.sum": count
        for op, count in flops.items()
    }


_FP32_PACKED = {
    name: (10,)
    for unit in ("smsp", "sm")
    for name in _fp32(unit)
    if name.endswith("2_pred_on.sum")
}
_DRAM_READ = {
    "dram__bytes_read.sum": (7, 8, 9, 10, 11),
    "dram__bytes_op_read.sum": (12,),
}
_DRAM_WRITE = {
    "dram__bytes_write.sum": (7, 8, 9, 10, 11),
    "dram__bytes_op_write.sum": (12,),
}
_TENSOR = "sm__ops_path_tensor_src_"
_FP16_MMA = "sm__ops_path_tensor_op_hmma_src_fp16_dst_fp32_sparsity_off.sum"
_ELAPSED = ".avg.pct_of_peak_sustained_elapsed"
_ACTIVE = ".avg.pct_of_peak_sustained_active"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """One launch under ncu: what it was, and every counter in base units.

    A counter is None where the report does not have it; ``missing`` then says why.
    ``label`` is the point whose range the launch lay in, empty for other people's.
    ``cache`` is None where nothing says which ``--cache-control`` ncu ran with.
    Percentages are of the peak at the clock of the profiled run, over elapsed time
    unless said otherwise; ncu does not clamp them to 0 to 100.
    """

    label: str = ""
    cache: Cache | None = None
    launch: int = 0  # position in its range, or in the report where there is none
    kernel_name: str  # demangled, as ncu and nsys print it
    function_name: str = ""
    grid: tuple[int, int, int] = (0, 0, 0)
    block: tuple[int, int, int] = (0, 0, 0)
    ranges: tuple[str, ...] = ()  # NVTX, outermost first, "domain:message"
    device_name: str = ""
    compute_capability: tuple[int, int] = (0, 0)
    stalls: Mapping[str, float] = field(default_factory=dict)  # warps an issue
    nvidia_class: str = ""  # title of ncu's own SOL rule, where it ran
    missing: Mapping[str, str] = field(default_factory=dict)  # counter -> why

    duration_ns: float | None = _counter("ns", "gpu__time_duration.sum")
    sm_clock_hz: float | None = _counter(
        "hz", "sm__cycles_elapsed.avg.per_second", "gpc__cycles_elapsed.avg.per_second"
    )
    dram_clock_hz: float | None = _counter("hz", "dram__cycles_elapsed.avg.per_second")
    passes: float | None = _counter("", "profiler__replayer_passes", ask=Ask.NEVER)

    sm_pct: float | None = _counter("%", f"sm__throughput{_ELAPSED}")
    memory_pct: float | None = _counter(
        "%", f"gpu__compute_memory_throughput{_ELAPSED}"
    )
    dram_pct: float | None = _counter(
        "%", f"gpu__dram_throughput{_ELAPSED}", f"dram__throughput{_ELAPSED}"
    )
    l1_pct: float | None = _counter("%", f"l1tex__throughput{_ACTIVE}")
    l2_pct: float | None = _counter("%", f"lts__throughput{_ELAPSED}")
    tensor_pipe_pct: float | None = _counter(
        "%", f"sm__pipe_tensor_cycles_active{_ELAPSED}"
    )
    memory_busy_pct: float | None = _counter(
        "%", f"gpu__compute_memory_access_throughput{_ELAPSED}"
    )
    max_bandwidth_pct: float | None = _counter(
        "%", f"gpu__compute_memory_request_throughput{_ELAPSED}"
    )
    l1_hit_pct: float | None = _counter("%", "l1tex__t_sector_hit_rate.pct")
    l2_hit_pct: float | None = _counter("%", "lts__t_sector_hit_rate.pct")

    memory_bytes_per_s: float | None = _counter("byte/s", "dram__bytes.sum.per_second")
    dram_bytes: float | None = _counter("byte", "dram__bytes.sum")
    dram_read_bytes: float | None = _counter("byte", *_DRAM_READ, majors=_DRAM_READ)
    dram_write_bytes: float | None = _counter("byte", *_DRAM_WRITE, majors=_DRAM_WRITE)
    l2_bytes: float | None = _counter("byte", "lts__t_bytes.sum")
    l1_bytes: float | None = _counter("byte", "l1tex__t_bytes.sum")
    # TMA and bulk copies go past L1's tag stage: only this view counts them.
    l2_to_l1_bytes: float | None = _counter(
        "byte", "l1tex__m_xbar2l1tex_read_bytes.sum"
    )

    achieved_occupancy_pct: float | None = _counter("%", f"sm__warps_active{_ACTIVE}")
    theoretical_occupancy_pct: float | None = _counter(
        "%", "sm__maximum_warps_per_active_cycle_pct"
    )
    limit_registers_blocks: float | None = _counter(
        "block", "launch__occupancy_limit_registers"
    )
    limit_shared_memory_blocks: float | None = _counter(
        "block", "launch__occupancy_limit_shared_mem"
    )
    limit_warps_blocks: float | None = _counter(
        "block", "launch__occupancy_limit_warps"
    )
    limit_blocks_blocks: float | None = _counter(
        "block", "launch__occupancy_limit_blocks"
    )
    limit_barriers_blocks: float | None = _counter(
        "block",
        "launch__occupancy_limit_barriers",
        majors={"launch__occupancy_limit_barriers": (9, 10, 11, 12)},
    )

    registers_per_thread: float | None = _counter(
        "register/thread", "launch__registers_per_thread"
    )
    shared_memory_static_bytes: float | None = _counter(
        "byte/block", "launch__shared_mem_per_block_static"
    )
    shared_memory_dynamic_bytes: float | None = _counter(
        "byte/block", "launch__shared_mem_per_block_dynamic"
    )
    waves_per_sm: float | None = _counter("", "launch__waves_per_multiprocessor")
    cluster_size: float | None = _counter(
        "block", "launch__cluster_size", ask=Ask.NEVER
    )

    # FADD and FMUL are one FLOP, FFMA two; sm_100 packs two of each in one.
    fp32_flops: float | None = _summed(
        "", _fp32("smsp"), _fp32("sm"), majors=_FP32_PACKED
    )
    tensor_bf16_flops: float | None = _tensor(
        dict.fromkeys((8, 9, 10, 11, 12), ("bf16_dst_fp32",))
    )
    tensor_fp16_flops: float | None = _tensor(
        {
            **dict.fromkeys((8, 10, 11, 12), ("fp16_dst_fp16", "fp16_dst_fp32")),
            9: ("fp16",),
        },
    )
    tensor_tf32_flops: float | None = _tensor(
        dict.fromkeys((8, 9, 10, 11, 12), ("tf32_dst_fp32",))
    )
    # On sm_100 one path does FP8, FP6 and FP4 mixed; its counts are here.
    tensor_fp8_flops: float | None = _tensor(
        {
            9: ("fp8",),
            10: ("fp4_fp6_fp8_dst_fp16", "fp4_fp6_fp8_dst_fp32"),
            11: ("fp4_fp6_fp8_dst_fp16", "fp4_fp6_fp8_dst_fp32"),
            12: ("fp8_dst_fp16", "fp8_dst_fp32"),
        },
        "fp8_sparsity_off",
        "fp8_sparsity_on",
    )
    tensor_fp4_flops: float | None = _tensor(
        {
            10: ("fp4_dst_fp32",),
            11: ("fp4_dst_fp32",),
            12: ("fp4_dst_fp32", "fp4_fp6_dst_fp16", "fp4_fp6_dst_fp32"),
        },
    )
    # On sm_90 only WGMMA does FP8: an FP8 mma.sync runs as FP16. This child of the
    # FP16 count takes no further pass, its parent two.
    tensor_fp16_mma_flops: float | None = _counter(
        "", _FP16_MMA, ask=Ask.DATAPATH, majors={_FP16_MMA: (9,)}
    )
    tensor_fp64_flops: float | None = _tensor(
        dict.fromkeys((8, 9, 10, 11, 12), ("fp64",))
    )
    tensor_int8_ops: float | None = _tensor(
        dict.fromkeys((8, 9, 10, 11, 12), ("int8",))
    )

    @property
    def executed_flops(self) -> Mapping[Datapath, float]:
        """Executed FLOP by the datapath that did them, of those that were counted.

        BF16, FP16 and TF32 share one datapath here, although TF32 runs at half rate.
        """
        fp16 = self.tensor_fp16_flops
        halves = (
            self.tensor_bf16_flops,
            self.tensor_fp16_mma_flops if fp16 is None else fp16,
            self.tensor_tf32_flops,
        )
        counted = [flops for flops in halves if flops is not None]
        executed = {
            Datapath.FP4_TENSOR: self.tensor_fp4_flops,
            Datapath.FP8_TENSOR: self.tensor_fp8_flops,
            Datapath.BF16_TENSOR: sum(counted) if counted else None,
            Datapath.FP32: self.fp32_flops,
        }
        return {path: flops for path, flops in executed.items() if flops is not None}

    @property
    def occupancy_limiter(self) -> str:
        """What allows the fewest blocks an SM; several, where they tie."""
        limits = {
            "registers": self.limit_registers_blocks,
            "shared memory": self.limit_shared_memory_blocks,
            "warps": self.limit_warps_blocks,
            "blocks": self.limit_blocks_blocks,
            "barriers": self.limit_barriers_blocks,
        }
        # ncu reports 0 where a resource is not used and so does not limit.
        known = {name: blocks for name, blocks in limits.items() if blocks}
        least = min(known.values(), default=math.nan)
        return ", ".join(name for name, blocks in known.items() if blocks == least)


@cache
def counter_metrics() -> Mapping[str, Metrics]:
    """Every counter's field name with its unit and metrics, in order."""
    return MappingProxyType(
        {
            entry.name: entry.metadata["metrics"]
            for entry in fields(Counters)
            if "metrics" in entry.metadata
        }
    )


# Operand types that a kernel of a datapath may run on. An FP8 or FP4 GEMM on a chip
# without that unit would show up as another type; asking for it would cost passes.
_TYPES: Mapping[Datapath, tuple[str, ...]] = {
    Datapath.FP4_TENSOR: ("tensor_fp4_flops", "tensor_fp8_flops"),
    Datapath.FP8_TENSOR: ("tensor_fp8_flops", "tensor_fp16_mma_flops"),
    Datapath.BF16_TENSOR: ("tensor_bf16_flops",),
}


def metrics_to_ask(
    datapaths: Collection[Datapath], compute_capability: tuple[int, int]
) -> tuple[str, ...]:
    """The ncu metrics of a capture: all that are cheap, and these units' FLOP.

    Each further tensor type costs a replay of the kernel, so only those of the
    kernel's own arithmetic are asked for.
    """
    tensor = {name for path in datapaths for name in _TYPES.get(path, ())}
    names: dict[str, None] = {}
    for counter, metrics in counter_metrics().items():
        if metrics.ask is Ask.ALWAYS or counter in tensor:
            names |= dict.fromkeys(metrics.names(compute_capability[0]))
    return tuple(names)


def stall_metrics(compute_capability: tuple[int, int]) -> tuple[str, ...]:
    """The metrics of every reason for which a warp may wait."""
    hopper_only = {"gmma", "imc_miss"}
    major = compute_capability[0]
    return tuple(
        f"{STALL_PREFIX}{reason}{STALL_SUFFIX}"
        for reason in STALL_REASONS
        if major == 9 or reason not in hopper_only  # noqa: PLR2004 -- sm_90
    )


STALL_REASONS = (
    "barrier", "branch_resolving", "dispatch_stall", "drain", "gmma", "imc_miss",
    "lg_throttle", "long_scoreboard", "math_pipe_throttle", "membar", "mio_throttle",
    "misc", "no_instruction", "not_selected", "selected", "short_scoreboard",
    "sleeping", "tex_throttle", "wait",
)  # fmt: skip


def read_counters(
    values: Mapping[str, float], why_missing: Callable[[str], str] | None = None
) -> dict[str, Any]:
    """Counter fields from metric values in base units, ``missing`` and ``stalls`` too.

    ``why_missing`` gets the name of the first metric of an absent counter. Counters
    that no capture asks for, and other datapaths' FLOP, are absent without a word.
    """
    found: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for counter, metrics in counter_metrics().items():
        value = metrics.read(values)
        if value is not None:
            found[counter] = value
        elif metrics.ask is Ask.ALWAYS:
            first = next(iter(metrics.sources[0]))
            missing[counter] = why_missing(first) if why_missing else NOT_IN_REPORT
    if "dram_bytes" in missing and found.keys() >= {
        "memory_bytes_per_s",
        "duration_ns",
    }:
        # NVIDIA's sections print the rate alone; it is over this very duration.
        found["dram_bytes"] = found["memory_bytes_per_s"] * found["duration_ns"] * 1e-9
        del missing["dram_bytes"]
    stalls = {
        name.removeprefix(STALL_PREFIX).removesuffix(STALL_SUFFIX): value
        for name, value in values.items()
        if name.startswith(STALL_PREFIX) and name.endswith(STALL_SUFFIX)
    }
    return found | {"missing": missing, "stalls": stalls}
