"""Rotary position embedding of DeepSeek's interleaved kind, and its cos/sin table."""

from fractions import Fraction
from typing import TYPE_CHECKING

from dsprof.kernels import deepseek as ds
from dsprof.kernels.spec import TensorMaker, Tensors, Workload

if TYPE_CHECKING:
    import torch

THETA = 10_000.0  # rope_theta
MAX_POSITIONS = 163_840  # max_position_embeddings

# FP32 cosines and sines of one position, and its int64 number.
BYTES_PER_TOKEN = 4 * ds.Dr + 8


def position_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """Return cos_sin_cache float32 (positions, 64) and positions int64 (tokens).

    Cosines of the 32 frequencies come first, then their sines. The frequencies are
    the plain powers of theta: YaRN's change of some of them changes values, not work.

    Each request has its own equal span of the table and lies at the end of it, so all
    tokens of a call have different positions and none its own number.
    """
    import torch

    span = work["positions"] // work.point.batch_size
    zeros = make.zeros(work.tokens, dtype="int64")
    table = torch.arange(work["positions"], dtype=torch.float32, device=zeros.device)
    halves = torch.arange(0, ds.Dr, 2, dtype=torch.float32, device=zeros.device)
    angles = table[:, None] * THETA ** (-halves / ds.Dr)
    token = torch.arange(work.tokens, device=zeros.device)
    request, place = token // work.point.seq_len, token % work.point.seq_len
    return {
        "cos_sin_cache": torch.cat([angles.cos(), angles.sin()], dim=-1),
        "positions": (request + 1) * span - work.point.seq_len + place,
    }


def position_share(work: Workload) -> Fraction:
    """Return the part of the cos/sin table that a call reads: one row a token."""
    return Fraction(work.tokens, work["positions"])


def rotate(x: "torch.Tensor", args: Tensors) -> "torch.Tensor":
    """Turn each pair (2i, 2i + 1) of x (tokens, ..., 64) by its position's angle i."""
    import torch

    cos, sin = args["cos_sin_cache"][args["positions"]].chunk(2, dim=-1)
    ones = (1,) * (x.ndim - 2)
    cos, sin = (part.view(len(x), *ones, ds.Dr // 2) for part in (cos, sin))
    even, odd = x.float()[..., 0::2], x.float()[..., 1::2]
    turned = torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1)
    return turned.flatten(-2)
