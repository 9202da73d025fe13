"""Makes a kernel's arguments: random, seeded by the point, outputs poisoned."""

import zlib
from typing import TYPE_CHECKING

from dsprof.harness.records import Point

if TYPE_CHECKING:
    import torch

# The least value of the dtype: no index, count or id is ever this.
# float8_e4m3fn has no infinity; 0x7F is its NaN, as it is float8_e5m2's.
FP8_NAN_BYTE = 0x7F


def poison(tensor: "torch.Tensor") -> None:
    """Fill with NaN, or with the least value of an integer dtype."""
    import torch

    if tensor.dtype in {torch.float8_e4m3fn, torch.float8_e5m2}:
        tensor.view(torch.uint8).fill_(FP8_NAN_BYTE)
    elif tensor.dtype.is_floating_point:
        tensor.fill_(float("nan"))
    else:
        tensor.fill_(torch.iinfo(tensor.dtype).min)


class DeviceTensors:
    """The TensorMaker of a run: the same point gives the same values every time."""

    def __init__(self, device: str, point: Point) -> None:
        import torch

        self._device = device
        self._torch = torch
        self._generator: torch.Generator | None = None
        if device != "meta":
            seed = zlib.crc32(point.label.encode())
            self._generator = torch.Generator(device).manual_seed(seed)

    def normal(self, *shape: int, dtype: str = "bfloat16") -> "torch.Tensor":
        dtype_ = getattr(self._torch, dtype)
        draw = dtype_ if dtype_.itemsize > 1 else self._torch.bfloat16
        values = self._torch.randn(
            shape, dtype=draw, device=self._device, generator=self._generator
        )
        return values.to(dtype_)

    def output(self, *shape: int, dtype: str = "bfloat16") -> "torch.Tensor":
        tensor = self._torch.empty(
            shape, dtype=getattr(self._torch, dtype), device=self._device
        )
        poison(tensor)
        return tensor

    def zeros(self, *shape: int, dtype: str) -> "torch.Tensor":
        return self._torch.zeros(
            shape, dtype=getattr(self._torch, dtype), device=self._device
        )

    def expert_ids(self, tokens: int, experts: int, top_k: int) -> "torch.Tensor":
        scores = self._torch.rand(
            (tokens, experts), device=self._device, generator=self._generator
        )
        return scores.topk(top_k, dim=-1).indices.int()
