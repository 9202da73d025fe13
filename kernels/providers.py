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


def python_function(
    symbol: str,
    call: Callable[[Callable[..., Any], Tensors], Tensors],
    *,
    distribution: str,
    variant: str = "",
) -> Provider:
    """Provide a package's function "module:name"; ``call`` hands it the arguments.

    What the function allocates comes from the graph's own pool when it is timed.
    """
    module, _, name = symbol.partition(":")

    def prepare(api: Any, _work: Workload, args: Tensors) -> Run:  # noqa: ANN401 -- loaded symbols
        return partial(call, getattr(api, name), args)

    return Provider(
        package=module.partition(".")[0],
        distribution=distribution,
        symbols=(symbol,),
        prepare=prepare,
        variant=variant,
    )


def torch_function(
    symbol: str, call: Callable[[Callable[..., Any], Tensors], Tensors]
) -> Provider:
    """Provide a function of torch, such as "torch:bmm"."""
    return python_function(symbol, call, distribution="torch")
