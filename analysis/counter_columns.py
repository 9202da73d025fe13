"""The counters that reports show: their names, and what a percentage is one of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCounter:
    """A column of the merged frame that is read from a field of Counters."""

    column: str
    field: str
    title: str
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterGroup:
    """Counters that are looked at together, in one figure."""

    name: str  # of the figure's file
    title: str
    counters: tuple[ShownCounter, ...]


def _percent(column: str, title: str, unit: str, meaning: str) -> ShownCounter:
    return ShownCounter(
        column=column, field=column, title=title, unit=unit, meaning=meaning
    )


SM = _percent(
    "sm_pct",
    "SM throughput",
    "% of the SM's peak",
    "The busiest part of the SM: issue slots, any pipe, or its memory pipes. It can "
    "be high without a FLOP.",
)
DRAM = _percent(
    "dram_pct",
    "DRAM throughput",
    "% of DRAM's peak",
    "Traffic with HBM or GDDR memory.",
)
MEMORY = _percent(
    "memory_pct",
    "Memory throughput",
    "% of the peak of the busiest unit",
    "The busiest part of L1, L2, their crossbar and DRAM: not DRAM alone, and nothing "
    "to be added to it.",
)
MEMORY_RATE = ShownCounter(
    column="memory_gb_per_s",
    field="memory_bytes_per_s",
    title="Memory throughput",
    unit="GB/s of DRAM",
    meaning="DRAM bytes per second. ncu gives this the same label as the percentage.",
)
L1_HIT = _percent(
    "l1_hit_pct",
    "L1 hit rate",
    "% of the sectors asked of L1",
    "Bulk copies (TMA) go past L1 and are not counted, so that a kernel that loads by "
    "them shows 0 or nothing.",
)
L1 = _percent(
    "l1_pct",
    "L1 throughput",
    "% of L1's peak while SMs were active",
    "The busiest part of L1 and texture.",
)
L2_HIT = _percent(
    "l2_hit_pct",
    "L2 hit rate",
    "% of the sectors asked of L2",
    "Writes count as hits, so that kernels that only stream can show about 50.",
)
L2 = _percent("l2_pct", "L2 throughput", "% of L2's peak", "The busiest part of L2.")
ACHIEVED = _percent(
    "achieved_occupancy_pct",
    "Achieved occupancy",
    "% of the warps that an SM can hold",
    "Mean over the cycles in which an SM had a warp.",
)
THEORETICAL = _percent(
    "theoretical_occupancy_pct",
    "Theoretical occupancy",
    "% of the warps that an SM can hold",
    "What registers, shared memory and block size allow.",
)
DURATION = ShownCounter(
    column="duration_us",
    field="duration_ns",
    title="Duration under ncu",
    unit="us",
    meaning="Sum over the launches of a point, each alone; graph time is the time that "
    "counts.",
)
MEMORY_BUSY = _percent(
    "memory_busy_pct",
    "Memory busy",
    "% of the peak of the busiest cache or DRAM",
    "Accesses inside caches and DRAM.",
)
MAX_BANDWIDTH = _percent(
    "max_bandwidth_pct",
    "Max bandwidth",
    "% of the peak of the busiest connection",
    "Requests on the connections between SM, caches and DRAM.",
)
TENSOR = _percent(
    "tensor_pipe_pct",
    "Tensor pipe",
    "% of its cycles",
    "Cycles in which the tensor cores worked.",
)

HISTOGRAMS = (
    CounterGroup(
        name="throughput",
        title="Compute and memory throughput",
        counters=(SM, DRAM, MEMORY, MEMORY_RATE),
    ),
    CounterGroup(name="caches", title="Caches", counters=(L1_HIT, L1, L2_HIT, L2)),
    CounterGroup(
        name="occupancy",
        title="Occupancy, duration and memory activity",
        counters=(ACHIEVED, THEORETICAL, DURATION, MEMORY_BUSY, MAX_BANDWIDTH),
    ),
)
# In the order of the class means: what the SM did, what memory did, how long.
CLASS_MEANS = (SM, DRAM, MEMORY, ACHIEVED, L1_HIT, L2_HIT, DURATION)
