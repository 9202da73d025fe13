"""lm_head: the logits of each request's last token, once a pass."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels.providers import torch_function
from dsprof.kernels.spec import (
    Category,
    Cost,
    Kernel,
    Op,
    Source,
    TensorMaker,
    Tensors,
    Tolerance,
    Traffic,
    Workload,
)

if TYPE_CHECKING:
    import torch


def shape(work: Workload) -> tuple[int, int, int]:
    """M, N, K: one row a request, also in prefill, where only the last token counts."""
    return work.point.batch_size, work["n"], work["k"]


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """Hidden states (requests, k) and weight (n, k), both BF16.

    Weights have variance 1/k, so that logits are of order 1.
    """
    requests, n, k = shape(work)
    return {
        "hidden_states": make.normal(requests, k),
        "weight": make.normal(n, k) * k**-0.5,
    }


def call(function: "Callable[..., torch.Tensor]", args: Tensors) -> Tensors:
    return {"logits": function(args["hidden_states"], args["weight"].T)}


def reference(_work: Workload, args: Tensors) -> Tensors:
    return {"logits": args["hidden_states"].float() @ args["weight"].float().T}


def cost(work: Workload) -> Cost:
    """2nk FLOP a request; BF16 weights, hidden states and logits, each once."""
    requests, n, k = shape(work)
    return Cost(
        flops={Datapath.BF16_TENSOR: 2 * n * k * requests},
        bytes_read=2 * n * k + 2 * k * requests,
        bytes_written=2 * n * requests,
    )


KERNEL = Kernel(
    name="lm_head",
    source=Source.TORCH,
    category=Category.GEMM,
    summary="BF16 GEMM of the last tokens to the vocabulary",
    dtype="bfloat16",
    ops=(Op(name="lm_head", axes={"n": ds.VOCABULARY, "k": ds.H}),),
    min_compute_capability=(8, 0),
    providers=(torch_function("torch:matmul", call),),
    make_inputs=make_inputs,
    reference=reference,
    # Where cuBLAS splits k, torch lets it add the parts in BF16.
    tolerance={"logits": Tolerance(atol=1e-2, rtol=1e-2)},
    cost=cost,
    traffic=Traffic(
        read=("hidden_states", "weight"),
        written=(),
        allocated_bytes=lambda work: 2 * work["n"] * work.point.batch_size,
    ),
    shape=shape,
    small_axes={"n": 384, "k": 512},
)
