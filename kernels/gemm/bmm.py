"""bmm: one BF16 matrix product a head, as the NVFP4 checkpoint runs absorption."""

from collections.abc import Callable
from typing import Any

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
    gemm_shape,
)


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """BF16 a (heads, tokens, k), b (heads, k, n) and out (heads, tokens, n), as views.

    Activations lie token by token: a is a range of ``row`` columns a head, 128 of 192
    in the q_b output, all 512 of the attention output. b is column-major, from a
    contiguous (heads, n, k). What is multiplied into latents is written head by head;
    what leaves attention, token by token for the projection after it (``by_token``).
    Weights are scaled to give outputs of order 1.
    """
    heads, tokens, n, k = work["heads"], work.tokens, work["n"], work["k"]
    weights = make.normal(heads, n, k).mul_(k**-0.5)
    out = (
        make.output(tokens, heads, n).transpose(0, 1)
        if work["by_token"]
        else make.output(heads, tokens, n)
    )
    return {
        "a": make.normal(tokens, heads, work["row"])[..., :k].transpose(0, 1),
        "b": weights.transpose(1, 2),
        "out": out,
    }


def call(op: Callable[..., Any], args: Tensors) -> Tensors:
    op(args["a"], args["b"], out=args["out"])
    return {"out": args["out"]}


def reference(_work: Workload, args: Tensors) -> Tensors:
    return {"out": args["a"].float() @ args["b"].float()}


def cost(work: Workload) -> Cost:
    """Per head 2nk FLOP a token; BF16 operands and outputs, each once."""
    heads = work["heads"]
    tokens, n, k = gemm_shape(work)
    return Cost(
        flops={Datapath.BF16_TENSOR: 2 * n * k * tokens * heads},
        bytes_read=2 * (n * k + k * tokens) * heads,
        bytes_written=2 * n * tokens * heads,
    )


KERNEL = Kernel(
    name="bmm",
    source=Source.TORCH,
    category=Category.BMM,
    summary="batched BF16 GEMM of absorbed attention",
    dtype="bfloat16",
    ops=(
        Op(
            name="q_nope * w_kc",
            axes={"heads": ds.Nh, "n": ds.Lkv, "k": ds.Dn, "row": ds.Dq, "by_token": 0},
        ),
        Op(
            name="attn * w_vc",
            axes={
                "heads": ds.Nh,
                "n": ds.Dv,
                "k": ds.Lkv,
                "row": ds.Lkv,
                "by_token": 1,
            },
        ),
    ),
    min_compute_capability=(8, 0),
    providers=(torch_function("torch:bmm", call),),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={"out": Tolerance(atol=1e-2, rtol=1e-2)},
    cost=cost,
    traffic=Traffic(read=("a", "b"), written=("out",)),
    shape=gemm_shape,
)
