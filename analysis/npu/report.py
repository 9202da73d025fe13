"""The nine sections of the NPU report, in order."""

from dsprof.analysis.npu.bandwidth import bandwidth
from dsprof.analysis.npu.caches import caches
from dsprof.analysis.npu.compute_balance import compute_balance
from dsprof.analysis.npu.decode_units import decode_units
from dsprof.analysis.npu.fusion import fusion
from dsprof.analysis.npu.interconnect import interconnect
from dsprof.analysis.npu.layers import NpuData
from dsprof.analysis.npu.link_bytes import Parallel
from dsprof.analysis.npu.parallelism import parallelism
from dsprof.analysis.npu.power import power
from dsprof.analysis.npu.precision import precision
from dsprof.analysis.npu.section import Section

ONE_CHIP = Parallel()


def npu_sections(data: NpuData, parallel: Parallel = ONE_CHIP) -> list[Section]:
    """Findings, recommendations and limits of a profile; none without its rows."""
    return [
        compute_balance(data),
        bandwidth(data),
        caches(data),
        decode_units(data),
        fusion(data),
        precision(data),
        parallelism(data),
        interconnect(data, parallel),
        power(data),
    ]
