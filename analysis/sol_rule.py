"""NVIDIA's own verdict from two percentages: the SpeedOfLight bottleneck rule.

A second opinion beside dsprof's class. Written after the rule's text in Nsight
Compute 2025.3: a kernel is called busy from 60 % of a peak on, and done from 80 % on.
"""

from enum import StrEnum

BUSY_PCT = 60
DONE_PCT = 80
SIMILAR_POINTS = 10  # busy kernels whose two sides are nearer than this are balanced


class SolClass(StrEnum):
    """The rule's titles, as ncu prints them."""

    HIGH_THROUGHPUT = "High Throughput"
    HIGH_COMPUTE = "High Compute Throughput"
    HIGH_MEMORY = "High Memory Throughput"
    BALANCED = "Balanced Throughput"
    LATENCY = "Latency Issue"
    SMALL_GRID = "Small Grid"


def sol_class(
    sm_pct: float | None, memory_pct: float | None, waves: float | None
) -> SolClass | None:
    """The title ncu would give; None where a counter that decides is missing.

    Percentages are of peak over elapsed time; ``waves`` is waves per SM, which only
    decides where neither side is busy.
    """
    if sm_pct is None or memory_pct is None:
        return None
    busiest_pct = max(sm_pct, memory_pct)
    if busiest_pct >= DONE_PCT:
        return SolClass.HIGH_THROUGHPUT
    if busiest_pct >= BUSY_PCT:
        if abs(sm_pct - memory_pct) < SIMILAR_POINTS:
            return SolClass.BALANCED
        return SolClass.HIGH_COMPUTE if sm_pct > memory_pct else SolClass.HIGH_MEMORY
    if waves is None:
        return None
    return SolClass.SMALL_GRID if waves < 1 else SolClass.LATENCY
