"""Rows grouped by expert: inputs, references and traffic of mixture-of-experts GEMMs.

An assignment is one (token, slot) pair, numbered token * top_k + slot. Sorted by
expert, assignments are the rows of one GEMM an expert. The ops that use this have the
axes ``experts`` and ``top_k``.
"""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dsprof.kernels import deepseek as ds
from dsprof.kernels import fp8, nvfp4, routed
from dsprof.kernels.spec import TensorMaker, Workload

if TYPE_CHECKING:
    import torch

# What SGLang gives CUTLASS for the arguments that it lays out on the device.
CUTLASS_WORKSPACE_BYTES = 90_000

# Of an FP4 code that may be any, by the scale whose square is 1 on average.
FP4_VARIANCE = sum(m * m for m in nvfp4.MAGNITUDES) / len(nvfp4.MAGNITUDES)


def assignments(work: Workload) -> int:
    return work.tokens * work["top_k"]


def distinct_experts(work: Workload) -> int:
    """Experts that get a row."""
    return routed.distinct_experts(work.tokens, work["experts"], work["top_k"])


def busy_share(work: Workload) -> Fraction:
    """Share of the experts, and so of the weights, that a call must read."""
    return Fraction(distinct_experts(work), work["experts"])


def shape(work: Workload) -> tuple[int, int, int]:
    """M, N, K of all experts' GEMMs together: a row an assignment."""
    return assignments(work), work["n"], work["k"]


def expert_ids(work: Workload, make: TensorMaker) -> "torch.Tensor":
    return make.expert_ids(work.tokens, work["experts"], work["top_k"])


def by_expert(ids: "torch.Tensor", experts: int) -> "tuple[torch.Tensor, torch.Tensor]":
    """Return int64 assignments in the order of their experts, and int32 first rows.

    First rows (experts + 1) end with the number of rows.
    """
    import torch

    ordered = ids.flatten().sort(stable=True)
    every = torch.arange(experts + 1, dtype=ids.dtype, device=ids.device)
    first_rows = torch.searchsorted(ordered.values, every, out_int32=True)
    return ordered.indices, first_rows


def problem_sizes(first_rows: "torch.Tensor", n: int, k: int) -> "torch.Tensor":
    """int32 (experts, 3): m, n and k of each expert's GEMM."""
    import torch

    m = first_rows.diff()
    return torch.stack([m, torch.full_like(m, n), torch.full_like(m, k)], dim=1)


def busy_experts(first_rows: "torch.Tensor") -> Iterator[tuple[int, slice]]:
    """Each expert that has rows, and which they are."""
    for expert, (first, end) in enumerate(pairwise(first_rows.tolist())):
        if end > first:
            yield expert, slice(first, end)


def matmul(
    rows: "Callable[[slice], torch.Tensor]",
    weight: "Callable[[int], torch.Tensor]",
    first_rows: "torch.Tensor",
) -> "torch.Tensor":
    """FP32 (rows, n): each expert's rows (m, k) times its weight (n, k), transposed.

    Both come an expert at a time: in FP32, all weights would take 30 GB.
    """
    import torch

    return torch.cat(
        [rows(mine) @ weight(expert).mT for expert, mine in busy_experts(first_rows)]
    )


def mixture(
    x: "torch.Tensor",
    run_expert: "Callable[[int, torch.Tensor], torch.Tensor]",
    ids: "torch.Tensor",
    weights: "torch.Tensor",
    experts: int,
) -> "torch.Tensor":
    """FP32 (tokens, n): each token's expert outputs, weighted and summed.

    ``run_expert`` gets an expert's number and its tokens' rows of ``x``.
    """
    import torch

    order, first_rows = by_expert(ids, experts)
    token_of, weight_of = order // ids.shape[1], weights.flatten()[order]
    out = torch.zeros_like(x, dtype=torch.float32)
    for expert, mine in busy_experts(first_rows):
        rows = run_expert(expert, x[token_of[mine]])
        out.index_add_(0, token_of[mine], rows * weight_of[mine, None])
    return out


def topk_weights(work: Workload, make: TensorMaker) -> "torch.Tensor":
    """FP32 (tokens, top_k), positive, with the model's sum of 2.5 a token."""
    sigmoids = make.normal(work.tokens, work["top_k"], dtype="float32").sigmoid()
    return sigmoids / sigmoids.sum(-1, keepdim=True) * ds.ROUTED_SCALING


def scales(make: TensorMaker, *shape: int, mean: float = 1.0) -> "torch.Tensor":
    """FP32, between half and one and a half of ``mean``.

    Scales of quantised random data are nearly alike; these differ enough for one that
    is left out, or another's, to show in the output.
    """
    return (make.normal(*shape, dtype="float32").sigmoid_() + 0.5) * mean


def fp8_rows(
    make: TensorMaker, rows: int, k: int
) -> "tuple[torch.Tensor, torch.Tensor]":
    """e4m3 (rows, k) and scales (rows, k / 128), of variance 1 / k together.

    With weights of variance 1, a GEMM's outputs are then of order 1 for every k.
    """
    mean = 1 / math.sqrt(k)
    return (
        make.normal(rows, k, dtype="float8_e4m3fn"),
        scales(make, rows, k // fp8.GROUP, mean=mean),
    )


def fp8_weights(
    make: TensorMaker, experts: int, n: int, k: int, mean: float = 1.0
) -> "tuple[torch.Tensor, torch.Tensor]":
    """e4m3 (experts, n, k) and scales (experts, n / 128, k / 128).

    Every expert is drawn by itself, so that one that is dropped or swapped shows; an
    H200 draws the model's 7.5 GB in a tenth of a second.
    """
    return (
        make.normal(experts, n, k, dtype="float8_e4m3fn"),
        scales(make, experts, n // fp8.GROUP, k // fp8.GROUP, mean=mean),
    )


def fp8_weight_bytes(n: int, k: int) -> int:
    """One expert's weight and its 128 x 128 block scales."""
    return n * k + 4 * (n // fp8.GROUP) * (k // fp8.GROUP)


def fp8_row_bytes(k: int) -> int:
    """One row and its scales, one in 128 columns."""
    return k + 4 * (k // fp8.GROUP)


def fp4_operand(make: TensorMaker, *shape: int) -> "tuple[torch.Tensor, torch.Tensor]":
    """Packed codes uint8 (..., k / 2) and e4m3 block scales (..., k / 16), of a shape.

    Any code is a number, so codes are drawn and not quantised: the model's would take
    several times their memory. Values have variance ``FP4_VARIANCE``.
    """
    import torch

    *leading, k = shape
    codes = make.bytes(*leading, k // 2)
    scales = make.normal(*leading, k // nvfp4.BLOCK, dtype="float8_e4m3fn")
    magnitudes = scales.view(torch.uint8).bitwise_and_(0x7F)  # without the sign
    return codes, magnitudes.view(torch.float8_e4m3fn)


def fp4_bytes(elements: int) -> int:
    """Codes, and a scale for 16 of them."""
    return elements // 2 + elements // nvfp4.BLOCK


def bind_fp8_gemm(  # noqa: PLR0913 -- the op's own operands
    op: Callable[..., None],
    *,
    a: "torch.Tensor",
    scales_a: "torch.Tensor",
    b: "torch.Tensor",
    scales_b: "torch.Tensor",
    out: "torch.Tensor",
    sizes: "torch.Tensor",
    first_rows: "torch.Tensor",
) -> Callable[[], Any]:
    """Bind sgl_kernel's fp8_blockwise_scaled_grouped_mm, with tables of its own.

    ``a`` (rows, k) and ``out`` (rows, n) are sorted by expert, ``b`` is (experts, k, n)
    and column-major. The op fills the pointer and layout tables at every call.
    """
    import torch

    experts, k, n = b.shape

    def table(*columns: int, dtype: torch.dtype = torch.int64) -> torch.Tensor:
        return torch.zeros(experts, *columns, dtype=dtype, device=a.device)

    pointers = [table() for _ in range(5)]  # of a, b, out, scales_a and scales_b
    stride_ab, stride_c = table().fill_(k), table().fill_(n)
    layouts = [table(5, dtype=torch.int32) for _ in range(2)]  # of both scales
    workspace = torch.empty(CUTLASS_WORKSPACE_BYTES, dtype=torch.uint8, device=a.device)
    return partial(
        op,
        out,
        *pointers,
        a,
        b,
        scales_a,
        scales_b,
        stride_ab,
        stride_ab,
        stride_c,
        *layouts,
        sizes,
        first_rows,
        workspace,
    )
