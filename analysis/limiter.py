"""Which unit limits a kernel, within the side that dominates it."""

from enum import StrEnum

from dsprof.analysis.merge import MergedPoint
from dsprof.harness.counters import Counters
from dsprof.harness.device import Datapath, DeviceSpec

# Percentages of one launch come from different replays: nearer than this, two of them
# are the same unit.
_SAME_UNIT = 0.95
# An FADD or FMUL fills a slot that could do two FLOP, so FP32 work that fills every
# slot is between half and all of the peak.
_FP_SHARE = 0.5


class Limiter(StrEnum):
    """What must improve before the kernel can run faster."""

    DRAM = "dram"
    L2 = "l2"
    L1 = "l1/shared"
    TENSOR = "tensor"
    FP = "fp"  # FP32 arithmetic on the CUDA cores
    ISSUE = "issue"  # other instructions: integers, conversions, loads, control
    LATENCY = "latency"  # no unit is busy: warps wait, or the grid is small


def memory_limiter(counters: Counters) -> Limiter | None:
    """DRAM where it is what memory % counts, else the busier of L2 and L1.

    L2's own percentage may exceed memory %, which leaves some of L2's parts out; it
    says little while DRAM alone makes up memory %. L1's is of active cycles.
    """
    dram, l2, l1 = (
        -1 if pct is None else pct
        for pct in (counters.dram_pct, counters.l2_pct, counters.l1_pct)
    )
    busiest = max(dram, l2, l1)
    if busiest < 0:
        return None
    if dram in (busiest, max(dram, _SAME_UNIT * (counters.memory_pct or 0))):
        return Limiter.DRAM
    return Limiter.L2 if l2 >= l1 else Limiter.L1


def compute_limiter(point: MergedPoint, device: DeviceSpec) -> Limiter:
    """Tensor pipe or FP32 arithmetic where they are what SM % counts, else issue."""
    counters = point.counters
    busy_pct = max(counters.sm_pct or 0, counters.tensor_pipe_pct or 0)
    if (counters.tensor_pipe_pct or 0) >= _SAME_UNIT * busy_pct:
        return Limiter.TENSOR
    if _fp32_pct(point, device) >= _FP_SHARE * busy_pct:
        return Limiter.FP
    return Limiter.ISSUE


def _fp32_pct(point: MergedPoint, device: DeviceSpec) -> float:
    """FP32 FLOP over the time under ncu, of the rated peak; 0 where not counted."""
    peak = device.flops_per_s.get(Datapath.FP32)
    if not peak or not point.fp32_flops or not point.duration_us:
        return 0
    return 100 * point.fp32_flops / (point.duration_us * 1e-6) / peak
