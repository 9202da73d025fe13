"""Binds the Gluon GEMMs of the experts (``experts/_fused_moe_wgmma.py``) to operands.

A program stays on its SM, so a grid is the number of SMs, whatever the size. Rows are
listed in blocks of 64, which ``pair_blocks`` groups into tiles at every call.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dsprof.kernels.moe_configs import GemmConfig
from dsprof.kernels.moe_gemm import Operands, RowList

if TYPE_CHECKING:
    import torch

BLOCK_ROWS = 64  # of the row list
TILE_COLUMNS = 256
WEIGHT_TILE = [128, 128]  # that the descriptor copies: rows and bytes of TMA's swizzle
COMPUTE_CAPABILITY = (9, 0)
# Three warp groups of 128 threads share an SM's 65,536 registers, in steps of 8.
WARPS, MOST_REGISTERS = 4, 168
PAIRING_WARPS = 8
MOST_ELEMENTS = 2**31 - 1  # of what the device code reads or writes at int32 offsets
MOST_TURNS = 8  # tiles of rows of an expert that share a tile of columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """What ``pair_blocks`` writes, and the GEMMs' counts; int32."""

    tiles: "torch.Tensor"  # (blocks)
    groups: "torch.Tensor"  # (blocks)
    num_tiles: "torch.Tensor"  # (1)
    taken: "torch.Tensor"  # (2): of a layer's first and second GEMM, 0 between calls


def make_tiles(rows: RowList) -> Tiles:
    import torch

    device = rows.expert_ids.device

    def empty(size: int) -> torch.Tensor:
        return torch.empty(size, dtype=torch.int32, device=device)

    return Tiles(
        tiles=empty(rows.blocks),
        groups=empty(rows.blocks),
        num_tiles=empty(1),
        taken=torch.zeros(2, dtype=torch.int32, device=device),
    )


def bind_pairing(
    kernel: Any,  # noqa: ANN401 -- pair_blocks
    rows: RowList,
    tiles: Tiles,
) -> Callable[[], object]:
    """Bind ``pair_blocks``, which lists the tiles of a filled row list."""
    if rows.block_rows != BLOCK_ROWS:
        raise ValueError(f"blocks have {rows.block_rows} rows, not {BLOCK_ROWS}")
    return partial(
        kernel[1,],
        rows.expert_ids,
        rows.num_tokens_post_padded,
        tiles.tiles,
        tiles.groups,
        tiles.num_tiles,
        MOST_TURNS=MOST_TURNS,
        BLOCKS=1 << (rows.blocks - 1).bit_length(),
        num_warps=PAIRING_WARPS,
    )


def bind_gate_up(  # noqa: PLR0913, PLR0917 -- what a GEMM is
    kernel: Any,  # noqa: ANN401 -- fused_moe_wgmma
    operands: Operands,
    rows: RowList,
    tiles: Tiles,
    config: GemmConfig,
    out: "torch.Tensor",
    out_scales: "torch.Tensor",
) -> Callable[[], object]:
    """Bind the GEMM with SwiGLU and the next operand's quantisation behind it.

    ``b`` has gate rows before up rows; ``out`` (assignments, n / 2) gets e4m3 codes and
    ``out_scales`` one scale in 128 columns.
    """
    _check_offsets("out", out)
    call = _bind(kernel, operands, rows, tiles, config, out)
    return partial(
        call,
        taken=tiles.taken[:1],
        out_scales=out_scales,
        topk_weights=out_scales,  # not read
        FUSED=True,
        MUL_ROUTED_WEIGHT=False,
    )


def bind_gemm(  # noqa: PLR0913, PLR0917 -- what a GEMM is
    kernel: Any,  # noqa: ANN401 -- fused_moe_wgmma
    operands: Operands,
    rows: RowList,
    tiles: Tiles,
    config: GemmConfig,
    out: "torch.Tensor",
    *,
    is_weighted: bool,
) -> "Callable[[torch.Tensor], object]":
    """Bind one GEMM; the call takes the routing weights (assignments).

    out[i] (n), BF16, is the product of assignment i's row, times its weight if
    weighted.
    """
    call = _bind(kernel, operands, rows, tiles, config, out)

    def run(topk_weights: "torch.Tensor") -> object:
        return call(
            taken=tiles.taken[1:],
            out_scales=operands.a_scales,  # not written
            topk_weights=topk_weights,
            FUSED=False,
            MUL_ROUTED_WEIGHT=is_weighted,
        )

    return run


def _bind(  # noqa: PLR0913, PLR0917 -- what a GEMM is
    kernel: Any,  # noqa: ANN401 -- fused_moe_wgmma
    operands: Operands,
    rows: RowList,
    tiles: Tiles,
    config: GemmConfig,
    out: "torch.Tensor",
) -> Callable[..., object]:
    """Everything that both GEMMs are given."""
    import torch
    from triton.experimental.gluon import language as gl
    from triton.experimental.gluon.nvidia.hopper import TensorDescriptor

    _, n, k = operands.b.shape
    if n % TILE_COLUMNS or k % WEIGHT_TILE[1]:
        raise ValueError(
            f"weights are {n} x {k}, not whole tiles of "
            f"{TILE_COLUMNS} x {WEIGHT_TILE[1]}"
        )
    _check_offsets("a", operands.a)
    device = torch.cuda.get_device_properties(out.device)
    if (device.major, device.minor) != COMPUTE_CAPABILITY:
        raise ValueError(
            f"{device.name} has compute capability {device.major}.{device.minor}, "
            "for which these GEMMs are not written; choose a portable configuration"
        )
    swizzled = gl.NVMMASharedLayout(swizzle_byte_width=128, element_bitwidth=8)
    weights = TensorDescriptor.from_tensor(
        operands.b.flatten(0, 1), WEIGHT_TILE, swizzled
    )
    return partial(
        kernel[device.multi_processor_count,],
        operands.a,
        operands.a_scales,
        weights,
        operands.b_scales,
        out,
        sorted_token_ids=rows.sorted_token_ids,
        expert_ids=rows.expert_ids,
        tiles=tiles.tiles,
        groups=tiles.groups,
        num_tiles=tiles.num_tiles,
        n=n,
        k=k,
        assignments=len(out),
        ROWS_PER_A=len(out) // len(operands.a),
        MOST_TURNS=MOST_TURNS,
        STAGES=config.stages,
        num_warps=WARPS,
        maxnreg=MOST_REGISTERS,
    )


def _check_offsets(name: str, tensor: "torch.Tensor") -> None:
    """Refuse what would be read or written at offsets that have wrapped around."""
    if tensor.numel() > MOST_ELEMENTS:
        raise ValueError(
            f"{name} has {tensor.numel():,} elements, and int32 offsets reach "
            f"{MOST_ELEMENTS:,}; call with fewer tokens at a time"
        )
