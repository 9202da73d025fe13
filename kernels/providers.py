"""Ways to call a kernel, one function a package."""

from collections.abc import Callable
from functools import partial
from typing import Any

from dsprof.kernels.spec import Call, Provider, Tensors


def sgl_kernel(
    op_name: str, call: Callable[[Callable[..., Any], Tensors], Tensors]
) -> Provider:
    """Provide sgl_kernel's raw op of this name; ``call`` hands it the arguments.

    The raw op, because sgl_kernel's Python functions for norms and activations call
    flashinfer's kernel instead where flashinfer can be imported. Ops that can start
    before their predecessor ends (``enable_pdl``) are called without it: a timed
    call must not overlap the one before.
    """

    def bind() -> Call:
        import sgl_kernel  # noqa: F401 -- registers torch.ops.sgl_kernel
        import torch

        return partial(call, getattr(torch.ops.sgl_kernel, op_name).default)

    return Provider(package="sgl_kernel", distribution="sglang-kernel", bind=bind)
