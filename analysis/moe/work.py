"""FLOP and bytes of the routed experts at a number of tokens."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from dsprof.analysis.moe.geometry import BF16_BYTES, Geometry, NumberFormat
from dsprof.analysis.moe.routing import (
    Routing,
    rows_per_token,
    share_of_tokens_here,
    touched_experts,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one batch asks of the GPU; counts are means where routing is a chance."""

    tokens: float
    rows: float  # of both GEMMs together, over all local experts
    experts: float  # whose weights are read
    flops: float
    weight_bytes: float
    activation_bytes: float

    @property
    def total_bytes(self) -> float:
        return self.weight_bytes + self.activation_bytes

    @property
    def intensity(self) -> float:
        """FLOP/byte; 0 where nothing is done."""
        return self.flops / self.total_bytes if self.total_bytes else math.nan


def work(
    geometry: Geometry,
    routing: Routing,
    tokens: float,
    *,
    experts: float | None = None,
) -> Work:
    """The work of so many tokens; ``experts``, if known, are those that got a row."""
    touched = touched_experts(geometry, routing, tokens) if experts is None else experts
    rows = tokens * rows_per_token(geometry, routing)
    return Work(
        tokens=tokens,
        rows=rows,
        experts=touched,
        flops=rows * geometry.row_flops,
        weight_bytes=touched * geometry.expert_bytes,
        activation_bytes=tokens * sum(activation_bytes(geometry, routing).values()),
    )


def activation_bytes(geometry: Geometry, routing: Routing) -> Mapping[str, float]:
    """Bytes of a token apart from weights, by what they are.

    As expected: what no implementation gets around, a BF16 row in and one out of each
    token that comes here. Forced local: every tensor of an unfused pipeline once, as
    if what one stage writes the next did not read again.
    """
    columns, inner = geometry.hidden, geometry.intermediate
    if routing is Routing.EXPECTED:
        here = share_of_tokens_here(geometry, routing)
        return {
            "token in (BF16)": here * BF16_BYTES * columns,
            "token out (BF16)": here * BF16_BYTES * columns,
        }
    rows, name = geometry.top_k, geometry.number_format.upper()
    is_quantised = geometry.number_format is not NumberFormat.BF16
    activation = "SwiGLU and quantised" if is_quantised else "SwiGLU"
    return {
        f"token in ({name})": geometry.operand_bytes(columns),
        f"scattered input ({name})": rows * geometry.operand_bytes(columns),
        "GEMM1 output (BF16)": rows * BF16_BYTES * 2 * inner,
        f"{activation} output ({name})": rows * geometry.operand_bytes(inner),
        "GEMM2 output (BF16)": rows * BF16_BYTES * columns,
        "token out (BF16)": BF16_BYTES * columns,
    }


def least_memory_bytes(geometry: Geometry, tokens: int) -> int:
    """What must be in memory at once: all local weights, each token in and out."""
    return geometry.local_weight_bytes + tokens * 2 * BF16_BYTES * geometry.hidden
