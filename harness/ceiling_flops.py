"""Loads that compute: dense BF16 and FP8 products of torch, and chains of FP32 FMA."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from dsprof.harness.ceiling_load import Board, Load, PatternUnsupportedError, Shape

if TYPE_CHECKING:
    import torch

GEMM_SIZE = 8192
CHECKED_ROW_STEP = 127  # odd: the checked rows take every place of a tile in turn
# Of the root mean square of the product. A BF16 output is rounded by at most 2**-9 of
# itself, and reaches six times the mean; FP8 units keep 14 bits of a running sum.
BF16_LIMIT, FP8_LIMIT = 0.03, 0.1
BF16_SINCE, FP8_SINCE = (8, 0), (8, 9)  # compute capabilities
FMA_STEPS, FMA_UNROLL = 64, 16
# Many programs an SM: what the last ones leave idle is then little.
FMA_PROGRAMS_PER_SM = 128
# After 1024 steps towards the fixed point 1, 36 % of the start is still to be seen,
# and each step that were left out would show.
FMA_FACTOR, FMA_ADDEND = 0.999, 0.001
FMA_LIMIT = 3e-4
FMA_SHAPES = (
    Shape(block=1024, steps=1, warps=4),
    Shape(block=2048, steps=1, warps=4),
    Shape(block=4096, steps=1, warps=4),
)


def bf16_loads(board: Board, size: int = GEMM_SIZE) -> list[Load]:
    """torch.mm of square random-normal matrices, the second as it is and transposed."""
    import torch

    _require(board, BF16_SINCE, "BF16")
    a, b = (
        torch.randn(size, size, device=board.device, dtype=torch.bfloat16)
        for _ in range(2)
    )
    out = torch.empty_like(a)

    def load(right: "torch.Tensor", layout: str) -> Load:
        return Load(
            call=lambda: torch.mm(a, right, out=out),
            amount=2 * size**3,
            work=f"{size} x {size} x {size}, torch.mm, b {layout}",
            output=out,
            count_wrong=_rows_off(out, a, right, BF16_LIMIT),
        )

    return [load(b, "row-major"), load(b.t(), "column-major")]


def fp8_loads(board: Board, size: int = GEMM_SIZE) -> list[Load]:
    """torch._scaled_mm in e4m3 with fast accumulation; a is row-major, b column-major.

    It is the only layout that Hopper's FP8 units take.
    """
    import torch

    _require(board, FP8_SINCE, "FP8")
    a, b = (
        torch.randn(size, size, device=board.device).to(torch.float8_e4m3fn)
        for _ in range(2)
    )
    one = torch.ones((), device=board.device)
    out = torch.empty(size, size, device=board.device, dtype=torch.bfloat16)

    def call() -> None:
        torch._scaled_mm(  # noqa: SLF001 -- torch has no public name for it
            a,
            b.t(),
            scale_a=one,
            scale_b=one,
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
            out=out,
        )

    return [
        Load(
            call=call,
            amount=2 * size**3,
            work=f"{size} x {size} x {size}, torch._scaled_mm e4m3, fast accumulation",
            output=out,
            count_wrong=_rows_off(out, a, b.t(), FP8_LIMIT),
        )
    ]


def fp32_loads(board: Board, programs_per_sm: int = FMA_PROGRAMS_PER_SM) -> list[Load]:
    """X = x * factor + addend, 1024 times on each of many values: 2 FLOP a time."""
    import torch

    from dsprof.harness import _ceiling_kernels as kernels

    programs = board.sms * programs_per_sm
    fmas = FMA_STEPS * FMA_UNROLL

    def load(shape: Shape) -> Load:
        x = torch.randn(programs * shape.block, device=board.device)
        y = torch.empty_like(x)

        def call() -> None:
            kernels.multiply_add[programs,](
                *(x, y, FMA_FACTOR, FMA_ADDEND),
                STEPS=FMA_STEPS,
                UNROLL=FMA_UNROLL,
                BLOCK=shape.block,
                num_warps=shape.warps,
            )

        def count_wrong() -> int:
            kept = FMA_FACTOR**fmas
            fixed_point = FMA_ADDEND / (1 - FMA_FACTOR)
            expected = kept * x.double() + (1 - kept) * fixed_point
            return int((~((y - expected).abs() <= FMA_LIMIT)).sum())

        return Load(
            call=call,
            amount=2 * fmas * x.numel(),
            work=f"{fmas} FFMA on each of {x.numel():,} values, {shape}",
            output=y,
            count_wrong=count_wrong,
        )

    return [load(shape) for shape in FMA_SHAPES]


def _rows_off(
    out: "torch.Tensor", a: "torch.Tensor", b: "torch.Tensor", limit: float
) -> Callable[[], int]:
    """Count what differs from the FP32 product, in some rows of every tile."""

    def count() -> int:
        rows = a[::CHECKED_ROW_STEP].float()
        expected = rows @ b.float()
        off = (out[::CHECKED_ROW_STEP].float() - expected).abs()
        return int((~(off <= limit * expected.square().mean().sqrt())).sum())

    return count


def _require(board: Board, since: tuple[int, int], name: str) -> None:
    if board.compute_capability < since:
        raise PatternUnsupportedError(
            f"{name} needs compute capability {'.'.join(map(str, since))}; this GPU "
            f"has {'.'.join(map(str, board.compute_capability))}. Leave it out of "
            "--patterns."
        )
