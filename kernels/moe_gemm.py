"""Binds the Triton GEMMs of the experts (``experts/_fused_moe_kernel.py``) to operands.

A program is a tile of a block of the row list, whose length fits any routing; programs
beyond the rows in use end at once. So a grid is the same for every call of a size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dsprof.kernels.moe_configs import GemmConfig

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class RowList:
    """Assignments sorted by expert in whole blocks (``kernels/blocks.py``), int32."""

    block_rows: int
    sorted_token_ids: "torch.Tensor"  # (blocks * block_rows)
    expert_ids: "torch.Tensor"  # (blocks)
    num_tokens_post_padded: "torch.Tensor"  # (1)

    @property
    def blocks(self) -> int:
        return len(self.sorted_token_ids) // self.block_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Operands:
    """Rows a (rows, k) and weights b (experts, n, k), contiguous.

    e4m3 with scales, one in 128 columns of a row and in 128 x 128 of a weight, or BF16,
    whose scales are any tensor.
    """

    a: "torch.Tensor"
    a_scales: "torch.Tensor"
    b: "torch.Tensor"
    b_scales: "torch.Tensor"

    @property
    def is_fp8(self) -> bool:
        return self.a.element_size() == 1


def bind_gemm(  # noqa: PLR0913 -- what a GEMM is
    kernel: Any,  # noqa: ANN401 -- fused_moe
    operands: Operands,
    rows: RowList,
    config: GemmConfig,
    out: "torch.Tensor",
    *,
    is_weighted: bool,
    overlap: bool = False,
) -> "Callable[[torch.Tensor], object]":
    """Bind ``fused_moe``; the call takes the routing weights (assignments).

    out[i] (n) is the product of assignment i's row, times its weight if weighted.
    """
    common = _arguments(operands, rows, config, out, n=operands.b.shape[1], tiles=1)
    tensors = _pointers(operands, config)
    grid = common.pop("grid")

    def call(topk_weights: "torch.Tensor") -> object:
        return kernel[grid](
            *tensors,
            out=out,
            topk_weights=topk_weights,
            MUL_ROUTED_WEIGHT=is_weighted,
            **common,
            **launch_options(overlap=overlap),
        )

    return call


def bind_gate_up(  # noqa: PLR0913, PLR0917 -- what a GEMM is
    kernel: Any,  # noqa: ANN401 -- fused_moe_silu
    operands: Operands,
    rows: RowList,
    config: GemmConfig,
    out: "torch.Tensor",
    out_scales: "torch.Tensor",
    *,
    overlap: bool = False,
) -> Callable[[], object]:
    """Bind ``fused_moe_silu``: silu(gate) * up of each assignment, into ``out``.

    ``b`` has gate rows before up rows. FP8 operands give e4m3 codes, and
    ``out_scales`` one scale in 128 columns.
    """
    n = operands.b.shape[1] // 2
    common = _arguments(operands, rows, config, out, n=n, tiles=2)
    grid = common.pop("grid")
    tensors = _pointers(operands, config)
    return partial(
        kernel[grid],
        *tensors,
        out=out,
        out_scales=out_scales,
        **common,
        **launch_options(overlap=overlap),
    )


def launch_options(*, overlap: bool) -> dict[str, bool]:
    """Of a kernel whose programs may start, and wait, before the kernel ahead ends.

    Programmatic dependent launch, from compute capability 9.0 on.
    """
    return {"OVERLAP": True, "launch_pdl": True} if overlap else {"OVERLAP": False}


def _pointers(operands: Operands, config: GemmConfig) -> tuple[Any, ...]:
    b: Any = operands.b
    if config.tma:
        from triton.tools.tensor_descriptor import TensorDescriptor

        rows = operands.b.flatten(0, 1)
        block_k = config.block_k_bytes // rows.element_size()
        b = TensorDescriptor.from_tensor(rows, [config.block_n, block_k])
    return operands.a, operands.a_scales, b, operands.b_scales


def _arguments(  # noqa: PLR0913 -- what both kernels are given
    operands: Operands,
    rows: RowList,
    config: GemmConfig,
    out: "torch.Tensor",
    *,
    n: int,
    tiles: int,
) -> dict[str, Any]:
    """Grid, sizes, workspace and constants; a program sums ``tiles`` tiles."""
    import torch

    is_split = config.split_k > 1
    count = rows.blocks * (n // config.block_n)
    programs = count * config.split_k
    sums = tiles * rows.block_rows * config.block_n
    device = operands.a.device
    return {
        "grid": (programs,),
        "sorted_token_ids": rows.sorted_token_ids,
        "expert_ids": rows.expert_ids,
        "num_tokens_post_padded": rows.num_tokens_post_padded,
        "partials": torch.empty(is_split * programs * sums or 1, device=device),
        "counters": torch.zeros(
            is_split * count or 1, dtype=torch.int32, device=device
        ),
        "n": n,
        "k": operands.a.shape[1],
        "assignments": len(out),
        "ROWS_PER_A": len(out) // len(operands.a),
        "BLOCK_M": rows.block_rows,
        "BLOCK_N": config.block_n,
        "BLOCK_K": config.block_k_bytes // operands.a.element_size(),
        "GROUP_M": config.group_m,
        "SPLIT_K": config.split_k,
        "SWAP": config.swap,
        "TMA": config.tma,
        "IS_FP8": operands.is_fp8,
        "IS_INTERPRETED": device.type == "cpu",
        "num_warps": config.warps,
        "num_stages": config.stages,
    }
