"""Measured roofs: what this GPU reached in a pattern, and for how long."""

from dataclasses import dataclass
from enum import StrEnum


class Pattern(StrEnum):
    """What a ceiling's kernel does."""

    HBM_READ = "hbm_read"
    HBM_WRITE = "hbm_write"
    HBM_COPY = "hbm_copy"  # one read, one write
    HBM_TRIAD = "hbm_triad"  # a = b + s * c: two reads, one write
    L2_READ = "l2_read"
    BF16_DENSE = "bf16_dense"
    FP8_DENSE = "fp8_dense"
    FP32 = "fp32"  # FFMA on the CUDA cores

    @property
    def moves_bytes(self) -> bool:
        """True for byte/s, False for FLOP/s."""
        return self in {
            Pattern.HBM_READ,
            Pattern.HBM_WRITE,
            Pattern.HBM_COPY,
            Pattern.HBM_TRIAD,
            Pattern.L2_READ,
        }


class Duration(StrEnum):
    """For how long a ceiling was held."""

    BURST = "burst"  # the first 50 ms after a rest
    SUSTAINED = "sustained"  # the end of 5 s


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """One measured roof; ``value`` is byte/s or FLOP/s, as the pattern says."""

    pattern: Pattern
    duration: Duration
    value: float
    seconds: float  # that it was measured over
    work: str  # e.g. "8192 x 8192 x 8192, torch.mm" or "4 GiB, 132 x 8 blocks"
    sm_clock_mhz: int
    memory_clock_mhz: int
    power_w: float
    throttle_reasons: tuple[str, ...]
