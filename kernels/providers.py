"""Ways to call a kernel, one function a package."""

from collections.abc import Callable
from functools import partial
from typing import Any

from dsprof.kernels.spec import Provider, Run, Tensors, Workload


def sgl_kernel(
    op_name: str, call: Callable[[Callable[..., Any], Tensors], Tensors]
) -> Provider:
    """Provide sgl_kernel's raw op of this name; ``call`` hands it the arguments.

    The raw op, because sgl_kernel's Python functions for norms and activations call
    flashinfer's kernel instead where flashinfer can be imported. Ops that can start
    before their predecessor ends (``enable_pdl``) are called without it: a timed
    call must not overlap the one before.
    """

    def prepare(api: Any, _work: Workload, args: Tensors) -> Run:  # noqa: ANN401 -- loaded symbols
        return partial(call, getattr(api, op_name), args)

    return Provider(
        package="sgl_kernel",
        distribution="sglang-kernel",
        symbols=(f"torch.ops.sgl_kernel:{op_name}.default",),
        prepare=prepare,
    )
