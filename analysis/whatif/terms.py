"""A call's time as terms, one for each resource that may limit it.

    t = max(tensor, vector, HBM, on-chip) + fixed                  (seconds)

A term is the time that the call's work takes of one resource alone, at the efficiency
that the kernel's own sweep shows. On another machine each term grows by the ratio of
the two machines' resources; the longest one counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dsprof.analysis.whatif.target import Target
from dsprof.harness.device import Datapath
from dsprof.harness.records import Cache, LayerPath, Phase


class Term(StrEnum):
    """What may limit a call."""

    TENSOR = "tensor"
    VECTOR = "vector"
    HBM = "hbm"
    ON_CHIP = "on_chip"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTerms:
    """One call at one size on the source machine.

    The terms are scaled so that their maximum and ``fixed_s`` add up to ``time_s``.
    A term that the kernel's sweep never reached stands at the source's rated resource
    and is in ``not_identified``.
    """

    kernel: str
    op: str
    category: str = ""
    count: float = 1.0  # calls in the layer
    time_s: float  # measured, or fitted where the point was not measured
    measured: bool = True
    fitted_s: float  # what the fit says of this very point
    tensor_s: Mapping[Datapath, float]  # by datapath; empty without tensor work
    vector_s: float = 0.0
    hbm_s: float = 0.0
    on_chip_s: float = 0.0
    fixed_s: float = 0.0
    fixed_launches: int = 1  # launches that the fixed part covers
    flops: Mapping[Datapath, float]
    hbm_bytes: float  # that go to HBM on the source
    on_chip_bytes: float  # that the on-chip memory delivers
    footprint_bytes: float  # compulsory bytes: what would have to be resident
    error_pct: float  # median error of the fit on token counts left out of it
    spread: tuple[float, float] = (1.0, 1.0)  # of measured over predicted, left out
    not_identified: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTerms:
    """The calls of one MoE layer on one path at one size, and where they ran."""

    phase: Phase
    batch_size: int
    seq_len: int
    kv_len: int | None
    path: LayerPath
    cache: Cache
    source: Target
    calls: tuple[CallTerms, ...]
    missing: tuple[str, ...] = ()  # calls of the layer without a time: lower bound

    @property
    def tokens(self) -> int:
        return self.batch_size * self.seq_len

    @property
    def time_s(self) -> float:
        return sum(call.count * call.time_s for call in self.calls)
