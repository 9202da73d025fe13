"""What a GPU can do on paper: peaks and sizes, each with its source."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dsprof.harness.errors import UsageError

GPUS_TOML = Path(__file__).with_name("gpus.toml")


class Datapath(StrEnum):
    """The unit that does the arithmetic; its peak is the compute roof."""

    FP4_TENSOR = "fp4_tensor"
    FP8_TENSOR = "fp8_tensor"
    BF16_TENSOR = "bf16_tensor"
    FP32 = "fp32"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSpec:
    """Rated limits of one GPU model: dense rates, decimal bytes per second.

    ``flops_per_s`` lacks a datapath that the chip does not have. ``sources`` has
    one entry a number, under the same key as in ``gpus.toml``.
    """

    id: str
    name: str
    match: tuple[str, ...]  # the names its driver reports
    compute_capability: tuple[int, int]
    sms: int
    l2_bytes: int
    hbm_bytes_per_s: float
    flops_per_s: Mapping[Datapath, float]
    sources: Mapping[str, str]

    def ridge_point(self, datapath: Datapath) -> float:
        """Arithmetic intensity in FLOP/byte at which memory and compute roofs meet."""
        return self.peak(datapath) / self.hbm_bytes_per_s

    def peak(self, datapath: Datapath) -> float:
        """Dense FLOP/s of a datapath; a UsageError where the chip has none."""
        try:
            return self.flops_per_s[datapath]
        except KeyError:
            known = ", ".join(self.flops_per_s)
            raise UsageError(
                f"{self.name} has no {datapath} datapath. It has: {known}."
            ) from None
