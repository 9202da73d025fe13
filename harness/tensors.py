"""Makes a kernel's arguments: random, seeded by the point, outputs poisoned."""

import zlib
from typing import TYPE_CHECKING

from dsprof.harness.records import Point
from dsprof.kernels import routed

if TYPE_CHECKING:
    import torch

# float8_e4m3fn has no infinity; 0x7F is its NaN, as it is float8_e5m2's.
FP8_NAN_BYTE = 0x7F


def poison(tensor: "torch.Tensor") -> None:
    """Fill with a value that no kernel means to write.

    NaN; for signed integers the least value, which is no id, index or count; for
    unsigned ones the greatest, because the least is what zeroed memory holds.
    """
    import torch

    if tensor.dtype in {torch.float8_e4m3fn, torch.float8_e5m2}:
        tensor.view(torch.uint8).fill_(FP8_NAN_BYTE)
    elif tensor.dtype.is_floating_point:
        tensor.fill_(float("nan"))
    else:
        limits = torch.iinfo(tensor.dtype)
        tensor.fill_(limits.min or limits.max)


class DeviceTensors:
    """The TensorMaker of a run: the same point gives the same values every time.

    ``device`` is torch's name for it; on "meta", tensors have shapes and no values.
    """

    def __init__(self, device: str, point: Point) -> None:
        import torch

        self._device = device
        self._torch = torch
        self._generator: torch.Generator | None = None
        if device != "meta":
            seed = zlib.crc32(point.label.encode())
            self._generator = torch.Generator(device).manual_seed(seed)

    def normal(self, *shape: int, dtype: str = "bfloat16") -> "torch.Tensor":
        kept = self._dtype(dtype)
        # torch draws no 8-bit floats; they are rounded from bfloat16.
        drawn = kept if kept.itemsize > 1 else self._torch.bfloat16
        values = self._torch.randn(
            shape, dtype=drawn, device=self._device, generator=self._generator
        )
        return values.to(kept)

    def output(self, *shape: int, dtype: str = "bfloat16") -> "torch.Tensor":
        tensor = self._torch.empty(shape, dtype=self._dtype(dtype), device=self._device)
        poison(tensor)
        return tensor

    def zeros(self, *shape: int, dtype: str) -> "torch.Tensor":
        return self._torch.zeros(shape, dtype=self._dtype(dtype), device=self._device)

    def bytes(self, *shape: int) -> "torch.Tensor":
        return self._torch.randint(
            256,
            shape,
            dtype=self._torch.uint8,
            device=self._device,
            generator=self._generator,
        )

    def expert_ids(
        self,
        tokens: int,
        experts: int,
        top_k: int,
        groups: int = 1,
        top_groups: int = 1,
    ) -> "torch.Tensor":
        if self._device == "meta":
            shape = (tokens, top_k)
            return self._torch.empty(shape, dtype=self._torch.int32, device="meta")
        ids = routed.expert_ids(tokens, experts, top_k, groups, top_groups)
        return self._torch.tensor(ids, device=self._device)

    def router_logits(
        self, tokens: int, experts: int, top_k: int, groups: int, top_groups: int
    ) -> "torch.Tensor":
        if self._device == "meta":
            return self._torch.empty((tokens, experts), device="meta")
        logits = routed.router_logits(tokens, experts, top_k, groups, top_groups)
        return self._torch.tensor(logits, device=self._device)

    def _dtype(self, name: str) -> "torch.dtype":
        dtype: torch.dtype = getattr(self._torch, name)
        return dtype
