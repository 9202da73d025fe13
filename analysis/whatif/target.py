"""The machine that a projection is for: what it does per second, and what it holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dsprof.harness.device import Datapath


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Resources of a GPU, or of one that does not exist yet.

    Rates are the rated ones, as in ``gpus.toml``; what a kernel reaches of them is the
    model's affair. ``assumed`` names the fields that nobody stated, with the reason
    for the value that stands there.
    """

    name: str
    flops_per_s: Mapping[Datapath, float]  # dense; fp32 is the vector rate
    hbm_bytes_per_s: float
    on_chip_bytes: float  # the last cache before HBM, or the SRAM in its place
    on_chip_bytes_per_s: float  # what it delivers to the cores
    hbm_latency_s: float  # of a dependent read that misses every cache
    launch_latency_s: float  # from one kernel's end to the next one's start, in a graph
    power_w: float | None = None  # None where nobody states it
    assumed: Mapping[str, str] = field(default_factory=dict)

    def has(self, datapath: Datapath) -> bool:
        return datapath in self.flops_per_s
