"""Joins what ncu counted with what was timed and what the kernel must do.

A row is a point in one cache state, over all launches of its range. Launches of other
people's reports lie in no point's range: there, a row is one launch.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from dsprof.analysis.merge_launches import merge_launches
from dsprof.harness.captures import Gap
from dsprof.harness.counters import Counters
from dsprof.harness.device import Datapath
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Measurement

NO_COST = "the point has no analytic cost"

# TMA begins with sm_90; before it, all that enters L1 is counted at its tag stage.
_FIRST_WITH_TMA = (9, 0)
# HFMA2.MMA, a move of constants, counts as tensor work: 2.94 % in an H100's SiLU.
_IDLE_TENSOR_PCT = 5
# Less than this of the declared FLOP on another unit is side work, not the kernel.
_MOST_OF_THE_WORK = 0.5


class Level(StrEnum):
    """Where traffic is counted."""

    DRAM = "dram"
    L2 = "l2"
    L1 = "l1"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedPoint:
    """All launches of a point in one cache state, its timing and its analytic cost.

    ``kernel`` is dsprof's name for the kernel, or the function's in an imported row.
    ``counters`` reads as if all launches were one, by the rules of merge_launches.
    Ratios and rates are None where a part of them is; ``missing`` says why.
    """

    name: str  # the point's label, or the demangled kernel name
    kernel: str
    cache: Cache | None
    measurement: Measurement | None
    launches: tuple[Counters, ...]
    counters: Counters

    @property
    def duration_us(self) -> float | None:
        """Time under ncu: serialized, caches as ``cache`` says. Not *the* time."""
        duration_ns = self.counters.duration_ns
        return None if duration_ns is None else duration_ns / 1000

    @property
    def graph_us(self) -> float | None:
        """Median time of the same work in a CUDA graph, in the same cache state."""
        if self.measurement is None or self.cache is None:
            return None
        timing = self.measurement.timing(self.cache)
        return timing.median_us if timing else None

    @property
    def dram_bytes(self) -> float | None:
        """Bytes read and written; rate times duration where only the rate is there."""
        return _sum(self.launches, _dram_bytes)

    @property
    def dram_read_bytes(self) -> float | None:
        return self.counters.dram_read_bytes

    @property
    def dram_write_bytes(self) -> float | None:
        return self.counters.dram_write_bytes

    @property
    def l2_bytes(self) -> float | None:
        return self.counters.l2_bytes

    @property
    def l1_bytes(self) -> float | None:
        """Bytes through L1's tag stage; bulk copies into shared memory go past it."""
        return self.counters.l1_bytes

    @property
    def l2_to_l1_bytes(self) -> float | None:
        return self.counters.l2_to_l1_bytes

    @property
    def fp32_flops(self) -> float | None:
        return self.counters.fp32_flops

    @property
    def executed_flops(self) -> Mapping[Datapath, float]:
        """FLOP by datapath, of those that were counted in every launch."""
        return self.counters.executed_flops

    @property
    def datapath(self) -> Datapath:
        """The unit that did the work, whose ridge and peak the point is held against.

        It is the declared one, unless that counted 0 FLOP and another did at least
        half of the declared FLOP (small GEMMs may run on the FP32 units). Without a
        cost, it is the one with the most executed FLOP.
        """
        executed = {path: flops for path, flops in self.executed_flops.items() if flops}
        busiest = max(executed, key=executed.__getitem__, default=Datapath.FP32)
        if self.measurement is None:
            return busiest
        declared = self.measurement.datapath
        needed = _MOST_OF_THE_WORK * self.measurement.flops.get(declared, 0)
        if self.executed_flops.get(declared) == 0 and executed.get(busiest, 0) > needed:
            return busiest
        return declared

    @property
    def path_flops(self) -> float | None:
        """FLOP executed on ``datapath``; None where they were not counted.

        Without a cost, FP32 FLOP alone are not believed to be the kernel's while its
        tensor pipe was busy, or may have been: reports without tensor FLOP would give
        every GEMM an intensity near 0.
        """
        path = self.datapath
        if self.measurement is None and path is Datapath.FP32:
            tensor_pct = self.counters.tensor_pipe_pct
            if tensor_pct is None or tensor_pct > _IDLE_TENSOR_PCT:
                return None
        return self.executed_flops.get(path)

    @property
    def traffic_amplification(self) -> float | None:
        """DRAM bytes over compulsory bytes."""
        row = self.measurement
        return _ratio(self.dram_bytes, row.total_bytes if row else None)

    @property
    def read_amplification(self) -> float | None:
        """DRAM bytes read over compulsory bytes read."""
        row = self.measurement
        return _ratio(self.dram_read_bytes, row.bytes_read if row else None)

    @property
    def write_shortfall_bytes(self) -> float | None:
        """Compulsory bytes written less DRAM bytes written: writes left in L2.

        Negative where DRAM took more writes than the outputs have bytes.
        """
        if self.measurement is None or self.dram_write_bytes is None:
            return None
        return self.measurement.bytes_written - self.dram_write_bytes

    @property
    def flop_inflation(self) -> float | None:
        """FLOP executed on ``datapath`` over the FLOP declared for the kernel's own."""
        if self.measurement is None:
            return None
        declared = self.measurement.flops.get(self.measurement.datapath)
        return _ratio(self.path_flops, declared)

    def level_bytes(self, level: Level) -> float | None:
        """Bytes moved at a level of the memory hierarchy.

        L1 has two counters: bytes through its tag stage, which bulk copies into
        shared memory go past, and bytes that came from L2, which hits do not need. A
        launch's L1 bytes are the larger of the two: their sum would count every
        missed load twice. That is too little, by at most half, for a kernel that
        loads in both ways. Operands that tensor cores read from shared memory are in
        neither.
        """
        match level:
            case Level.DRAM:
                return self.dram_bytes
            case Level.L2:
                return self.l2_bytes
            case Level.L1:
                return _sum(self.launches, _l1_bytes)

    def intensity(self, level: Level) -> float | None:
        """FLOP executed on ``datapath`` over the bytes moved at a level."""
        return _ratio(self.path_flops, self.level_bytes(level))

    @property
    def memory_bytes_per_s(self) -> float | None:
        """DRAM bytes over the time under ncu; ncu's own rate without the time."""
        rate = _ratio(self.dram_bytes, self.duration_us, scale=1e6)
        return self.counters.memory_bytes_per_s if rate is None else rate

    @property
    def ncu_over_graph(self) -> float | None:
        """Time under ncu over graph time in the same cache state."""
        return _ratio(self.duration_us, self.graph_us)

    @property
    def missing(self) -> Mapping[str, str]:
        """Counters and derived values that are not there -> why."""
        row, reasons = self.measurement, dict(self.counters.missing)
        if self.dram_bytes is not None:
            reasons.pop("dram_bytes", None)
        if row is None or not row.total_bytes:
            reasons["traffic_amplification"] = NO_COST
        if row is None or not row.total_flops:
            reasons["flop_inflation"] = NO_COST if row is None else "the cost is 0 FLOP"
        elif self.path_flops is None:
            reasons["flop_inflation"] = f"{self.datapath} FLOP were not counted"
        if self.graph_us is None:
            state = f"{self.cache} " if self.cache else ""
            reasons["ncu_over_graph"] = f"the point has no {state}graph time"
        if self.level_bytes(Level.L1) is None and self.l1_bytes is not None:
            reasons["intensity_l1"] = "bytes of bulk copies into L1 were not counted"
        return reasons


def _sum(
    launches: Iterable[Counters], of: Callable[[Counters], float | None]
) -> float | None:
    total = 0.0
    for launch in launches:
        value = of(launch)
        if value is None:
            return None
        total += value
    return total


def _dram_bytes(launch: Counters) -> float | None:
    if launch.dram_bytes is not None:
        return launch.dram_bytes
    if launch.memory_bytes_per_s is None or launch.duration_ns is None:
        return None
    return launch.memory_bytes_per_s * launch.duration_ns * 1e-9


def _l1_bytes(launch: Counters) -> float | None:
    if launch.l1_bytes is None:
        return None
    if launch.l2_to_l1_bytes is None:
        has_tma = launch.compute_capability >= _FIRST_WITH_TMA
        return None if has_tma else launch.l1_bytes
    return max(launch.l1_bytes, launch.l2_to_l1_bytes)


def _ratio(
    part: float | None, whole: float | None, *, scale: float = 1
) -> float | None:
    return None if part is None or not whole else scale * part / whole


def merge_profile(profile: Profile) -> list[MergedPoint]:
    """One row a point and cache state, and one a launch of no point, as recorded.

    A launch position that comes again begins a newer capture of the same point,
    which takes the older one's place.
    """
    measurements = {row.point.label: row for row in profile.measurements}
    rows: dict[object, dict[int, Counters]] = {}
    for index, launch in enumerate(profile.counters):
        key: object = (launch.label, launch.cache) if launch.label else index
        group = rows.setdefault(key, {})
        if launch.launch in group:
            group.clear()
        group[launch.launch] = launch
    merged = []
    for group in rows.values():
        launches = tuple(group.values())
        merged.append(merge_point(launches, measurements.get(launches[0].label)))
    return merged


def merge_point(
    launches: tuple[Counters, ...], measurement: Measurement | None
) -> MergedPoint:
    """Merge launches of one point in one cache state; at least one."""
    first = launches[0]
    # A label begins with the kernel's name, also where the point was never timed.
    kernel = first.label.partition("/")[0] or first.function_name or first.kernel_name
    return MergedPoint(
        name=first.label or first.kernel_name,
        kernel=measurement.point.kernel if measurement else kernel,
        cache=first.cache,
        measurement=measurement,
        launches=launches,
        counters=merge_launches(launches),
    )


def counter_gaps(profile: Profile) -> list[Gap]:
    """Points that captures were asked for and no capture has counters of, and why.

    Each is named once a cache state, with the reason of the latest capture.
    """
    counted = {(launch.label, launch.cache) for launch in profile.counters}
    gaps = {
        (gap.label, capture.cache): gap
        for capture in profile.captures
        for gap in capture.gaps
    }
    return [gap for key, gap in gaps.items() if key not in counted]
