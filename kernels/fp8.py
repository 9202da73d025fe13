"""FP8 e4m3 with FP32 scales in plain torch: by group, by row and by block.

A scale is the group's largest magnitude over 448, so a value is e4m3 * scale. A group
is 128 columns of a row, as DeepSeek's activations are quantised; a block is 128 x 128,
as its weights are. Leading dimensions (experts) stay as they are.
"""

from typing import TYPE_CHECKING

from dsprof.kernels.spec import TensorMaker

if TYPE_CHECKING:
    import torch

MAX = 448.0  # the largest e4m3
GROUP = 128
SMALLEST_AMAX = 1e-10  # keeps the scale of an all-zero group finite


def quantize_groups(
    x: "torch.Tensor", group: int = GROUP
) -> "tuple[torch.Tensor, torch.Tensor]":
    """e4m3 (..., k) and scales (..., k / group)."""
    groups = x.float().unflatten(-1, (-1, group))
    scales = _scale(groups.abs().amax(-1))
    return _round(groups / scales.unsqueeze(-1)).flatten(-2), scales


def quantize_rows(x: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
    """e4m3 (..., k) and scales (..., 1): by token, or a weight's by output channel."""
    return quantize_groups(x, x.shape[-1])


def quantize_blocks(weight: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
    """e4m3 (..., n, k) and scales (..., ceil(n / 128), k / 128).

    The last block may have fewer rows; columns come in whole blocks.
    """
    import torch

    rows = weight.shape[-2]
    padded = torch.nn.functional.pad(weight.float(), (0, 0, 0, -rows % GROUP))
    blocks = padded.unflatten(-1, (-1, GROUP)).unflatten(-3, (-1, GROUP))
    scales = _scale(blocks.abs().amax((-3, -1)))
    quantized = _round(blocks / scales[..., :, None, :, None])
    return quantized.flatten(-2).flatten(-3, -2)[..., :rows, :], scales


def dequantize_groups(
    quantized: "torch.Tensor", scales: "torch.Tensor"
) -> "torch.Tensor":
    """FP32 (..., k) of values by group or by row; the group is k over the scales."""
    groups: torch.Tensor = quantized.float().unflatten(-1, (scales.shape[-1], -1))
    return (groups * scales.unsqueeze(-1)).flatten(-2)


def dequantize_blocks(
    quantized: "torch.Tensor", scales: "torch.Tensor"
) -> "torch.Tensor":
    """FP32 (..., n, k) of values by 128 x 128 block."""
    rows = quantized.shape[-2]
    by_row = scales.repeat_interleave(GROUP, dim=-2)[..., :rows, :]
    return dequantize_groups(quantized, by_row)


def spread(make: TensorMaker, *shape: int) -> "torch.Tensor":
    """FP32 factors between 0.5 and 1.5, so that scales differ and a wrong one shows.

    The largest magnitudes of groups of normal values are all too alike.
    """
    return make.normal(*shape, dtype="float32").sigmoid_().add_(0.5)


def _scale(amax: "torch.Tensor") -> "torch.Tensor":
    return amax.clamp(min=SMALLEST_AMAX) / MAX


def _round(values: "torch.Tensor") -> "torch.Tensor":
    import torch

    return values.clamp(-MAX, MAX).to(torch.float8_e4m3fn)
