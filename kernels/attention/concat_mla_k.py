"""concat_mla_k: each head's own key beside the rotary key that all heads share."""

from collections.abc import Callable

from dsprof.kernels import deepseek as ds
from dsprof.kernels.providers import sgl_kernel
from dsprof.kernels.spec import (
    EXACT,
    Category,
    Cost,
    Kernel,
    Op,
    Source,
    TensorMaker,
    Tensors,
    Traffic,
    Workload,
)


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """Output k (tokens, 128, 192), k_nope (tokens, 128, 128), k_rope (tokens, 1, 64).

    Both inputs are views, as in the model: k_nope is the first half of each head in
    the kv_b output (tokens, 128, 256), k_rope the last columns of the fused_qkv_a
    output (tokens, 2112).
    """
    tokens, heads = work.tokens, work["heads"]
    keys_and_values = make.normal(tokens, heads, ds.Dn + ds.Dv)
    latents = make.normal(tokens, 1, ds.QKV_A)
    return {
        "k": make.output(tokens, heads, ds.Dq),
        "k_nope": keys_and_values[..., : ds.Dn],
        "k_rope": latents[..., -ds.Dr :],
    }


def call(op: Callable[..., None], args: Tensors) -> Tensors:
    op(args["k"], args["k_nope"], args["k_rope"])
    return {"k": args["k"]}


def reference(work: Workload, args: Tensors) -> Tensors:
    import torch

    k_rope = args["k_rope"].expand(-1, work["heads"], -1)
    return {"k": torch.cat([args["k_nope"], k_rope], dim=-1)}


def cost(work: Workload) -> Cost:
    """A copy: no FLOP; 128 BF16 a head and 64 a token in, 192 a head out."""
    heads = work["heads"]
    return Cost(
        bytes_read=2 * (heads * ds.Dn + ds.Dr) * work.tokens,
        bytes_written=2 * heads * ds.Dq * work.tokens,
    )


KERNEL = Kernel(
    name="concat_mla_k",
    source=Source.SGL_KERNEL,
    category=Category.CONCAT,
    summary="joins the two parts of every head's key",
    dtype="bfloat16",
    ops=(Op(name="concat_k", axes={"heads": ds.Nh, "n": ds.Nh * ds.Dq}),),
    min_compute_capability=(8, 0),
    providers=(sgl_kernel("concat_mla_k", call),),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={"k": EXACT},
    cost=cost,
    traffic=Traffic(read=("k_nope", "k_rope"), written=("k",)),
)
