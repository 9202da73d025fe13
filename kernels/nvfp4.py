"""NVFP4 in plain torch: 4-bit floats, an FP8 scale a block, an FP32 scale a tensor.

A value is e2m1(code) * e4m3(block scale) / global scale. Two codes share a byte, the
even column in the low nibble. Blackwell's matrix units read the block scales in tiles
of 128 rows and 4 columns, which ``swizzle`` lays out. Everything works on any device,
on meta tensors as well, and leaves leading dimensions (experts) as they are.
"""

import math
from itertools import pairwise, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

BLOCK = 16  # values that share a scale
CODE_BYTES = 0.5
MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # of codes 0 to 7; 8 is the sign
CODE_MAX = MAGNITUDES[-1]
SCALE_MAX = 448.0  # the largest e4m3

TILE_ROWS = 128
TILE_COLUMNS = 4
ROW_GROUP = 32  # rows that follow each other in a tile, 16 bytes apart

SMALLEST_AMAX = 1e-30  # keeps the global scale of an all-zero tensor finite


def global_scale(x: "torch.Tensor") -> "torch.Tensor":
    """FP32 scalar that brings the largest block scale of ``x`` to e4m3's largest."""
    amax = x.abs().amax().float().clamp(min=SMALLEST_AMAX)
    return SCALE_MAX * CODE_MAX / amax


def quantize(
    x: "torch.Tensor", scale: "torch.Tensor | None" = None
) -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":
    """Packed codes uint8 (..., k / 2), scales e4m3 (..., k / 16), the global scale.

    ``scale`` is the global one, where it is not to come from ``x`` itself; it may be
    any shape that broadcasts with the block scales, such as (experts, 1, 1).
    """
    import torch

    scale = global_scale(x) if scale is None else scale
    blocks = x.float().unflatten(-1, (-1, BLOCK))
    scales = (scale * blocks.abs().amax(-1) / CODE_MAX).clamp(max=SCALE_MAX)
    scales = scales.to(torch.float8_e4m3fn)
    rounded = scales.float()
    # A block whose scale rounds to zero has nothing left to encode.
    inverse = torch.where(rounded == 0, 0.0, scale / rounded)
    codes = encode(blocks * inverse.unsqueeze(-1)).flatten(-2)
    return pack(codes), scales, scale


def dequantize(
    packed: "torch.Tensor", scales: "torch.Tensor", scale: "torch.Tensor | float"
) -> "torch.Tensor":
    """FP32 (..., k) of packed codes, linear block scales and the global scale."""
    blocks: torch.Tensor = decode(packed).unflatten(-1, (-1, BLOCK))
    return (blocks * (scales.float() / scale).unsqueeze(-1)).flatten(-2)


def encode(values: "torch.Tensor") -> "torch.Tensor":
    """uint8 codes 0 to 15 of FP32 values: the nearest, of two the even one.

    Values beyond 6 become 6. Zero keeps its sign, as it does in hardware.
    """
    import torch

    middles = [(low + high) / 2 for low, high in pairwise(MAGNITUDES)]
    edges = torch.tensor(middles, device=values.device)
    # bucketize gives a value on an edge the lower code. Above an odd code, the even
    # one is the upper, so that edge has to lie just below the middle.
    edges[1::2] = torch.nextafter(edges[1::2], torch.zeros_like(edges[1::2]))
    codes = torch.bucketize(values.abs(), edges, out_int32=True)
    return codes.to(torch.uint8) | (values.signbit().to(torch.uint8) << 3)


def pack(codes: "torch.Tensor") -> "torch.Tensor":
    """Two codes a byte: (..., k) to (..., k / 2)."""
    return codes[..., 0::2] | (codes[..., 1::2] << 4)


def decode(packed: "torch.Tensor") -> "torch.Tensor":
    """FP32 (..., k) of packed codes, without any scale."""
    import torch

    signed = [math.copysign(m, sign) for sign, m in product((1, -1), MAGNITUDES)]
    pairs = [(low, high) for high, low in product(signed, signed)]
    table = torch.tensor(pairs, device=packed.device)
    return table[packed.int()].flatten(-2)  # a uint8 index would be a mask


def padded_shape(rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns of a scale tensor in whole tiles."""
    return (
        -(-rows // TILE_ROWS) * TILE_ROWS,
        -(-columns // TILE_COLUMNS) * TILE_COLUMNS,
    )


def swizzle(scales: "torch.Tensor") -> "torch.Tensor":
    """Scales (..., m, k16) in the tile layout: (..., round128(m), round4(k16)).

    With c = round4(k16), scale (m, k) is byte (m // 128) * c * 128 + (k // 4) * 512
    + (m % 32) * 16 + (m % 128 // 32) * 4 + k % 4. Padding is zero. A tensor whose
    parts begin at multiples of 128 rows is swizzled part by part.
    """
    import torch

    *leading, rows, columns = scales.shape
    shape = padded_shape(rows, columns)
    padded = torch.zeros(*leading, *shape, dtype=torch.uint8, device=scales.device)
    padded[..., :rows, :columns] = scales.view(torch.uint8)
    tiles = padded.view(
        *leading,
        shape[0] // TILE_ROWS,
        TILE_ROWS // ROW_GROUP,
        ROW_GROUP,
        shape[1] // TILE_COLUMNS,
        TILE_COLUMNS,
    )
    # Row groups and column tiles change places; so the inverse is the same exchange.
    swizzled = tiles.transpose(-4, -2).reshape(*leading, *shape)
    return swizzled.view(scales.dtype)


def unswizzle(swizzled: "torch.Tensor", rows: int, columns: int) -> "torch.Tensor":
    """Scales (..., rows, columns) out of the tile layout."""
    import torch

    *leading, padded_rows, padded_columns = swizzled.shape
    tiles = swizzled.view(torch.uint8).reshape(
        *leading,
        padded_rows // TILE_ROWS,
        padded_columns // TILE_COLUMNS,
        ROW_GROUP,
        TILE_ROWS // ROW_GROUP,
        TILE_COLUMNS,
    )
    padded = tiles.transpose(-4, -2).reshape(*leading, padded_rows, padded_columns)
    return padded[..., :rows, :columns].contiguous().view(swizzled.dtype)


def padded_row_of(rows_per_expert: "torch.Tensor") -> "torch.Tensor":
    """int64: the scale row of each row of all experts, sorted by expert.

    Each expert's scales begin at a multiple of 128 rows, so that none shares a tile.
    """
    import torch

    tiles = (rows_per_expert + TILE_ROWS - 1) // TILE_ROWS
    padding_before = tiles * TILE_ROWS - rows_per_expert
    padding_before = padding_before.cumsum(0) - padding_before
    padding = torch.repeat_interleave(padding_before, rows_per_expert)
    return torch.arange(len(padding), device=padding.device) + padding
