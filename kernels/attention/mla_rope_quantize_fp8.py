"""mla_rope_quantize_fp8: rotary embedding, then queries and cache row to FP8."""

from functools import partial
from typing import Any

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels import mla, rope
from dsprof.kernels.spec import (
    Category,
    Cost,
    Kernel,
    Op,
    Provider,
    Run,
    Source,
    TensorMaker,
    Tensors,
    Tolerance,
    Traffic,
    Workload,
)

FP8_MAX = 448.0  # the greatest e4m3

# Factors before rounding. Serving gives 1; these show whether one is forgotten.
SCALE_Q = 0.75
SCALE_KV = 1.25


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """The parts of absorbed queries and of cache rows, and FP8 buffers for the wholes.

    q_rope (tokens, heads, 64) lies in the q_b output (tokens, heads, 192) and k_rope
    (tokens, 64) in the fused_qkv_a output (tokens, 2112). q_nope (tokens, heads, 512)
    is the transposed view of what the absorbing product writes, (heads, tokens, 512).
    k_nope (tokens, 512) is contiguous, as its norm leaves it.
    """
    tokens, heads = work.tokens, work["heads"]
    return {
        "q_rope": make.normal(tokens, heads, ds.Dq)[..., ds.Dn :],
        "k_rope": make.normal(tokens, ds.QKV_A)[..., -ds.Dr :],
        "q_nope": make.normal(heads, tokens, ds.Lkv).transpose(0, 1),
        "k_nope": make.normal(tokens, ds.Lkv),
        **rope.position_inputs(work, make),
        "query": make.output(tokens, heads, mla.ROW, dtype="float8_e4m3fn"),
        "key": make.output(tokens, mla.ROW, dtype="float8_e4m3fn"),
    }


def prepare(api: Any, _work: Workload, args: Tensors) -> Run:  # noqa: ANN401 -- loaded symbols
    """Point the four outputs at their columns of the whole query and cache row."""
    query, key = args["query"], args["key"]
    quantize = partial(
        api.mla_rope_quantize_fp8,
        q_rope=args["q_rope"],
        k_rope=args["k_rope"],
        q_nope=args["q_nope"],
        k_nope=args["k_nope"],
        cos_sin_cache=args["cos_sin_cache"],
        pos_ids=args["positions"],
        is_neox=False,
        quantize_dtype=query.dtype,
        quant_scale_q=SCALE_Q,
        quant_scale_kv=SCALE_KV,
        q_rope_out=query[..., ds.Lkv :],
        k_rope_out=key[..., ds.Lkv :],
        q_nope_out=query[..., : ds.Lkv],
        k_nope_out=key[..., : ds.Lkv],
        enable_pdl=False,
    )

    def run() -> Tensors:
        quantize()
        return {"query": query, "key": key}

    return run


def reference(_work: Workload, args: Tensors) -> Tensors:
    """Return the values before they are rounded to FP8."""
    import torch

    outputs = {}
    for name, part, scale in (("query", "q", SCALE_Q), ("key", "k", SCALE_KV)):
        rotary = rope.rotate(args[f"{part}_rope"], args)
        whole = torch.cat([args[f"{part}_nope"].float(), rotary], dim=-1)
        outputs[name] = whole.mul_(scale).clamp_(-FP8_MAX, FP8_MAX)
    return outputs


def cost(work: Workload) -> Cost:
    """3 FLOP a rotary element and one, the factor, for each; BF16 in, FP8 out.

    A token also reads its position, 8 bytes, and 64 FP32 cosines and sines.
    """
    rows = (work["heads"] + 1) * work.tokens
    return Cost(
        flops={Datapath.FP32: (3 * ds.Dr + mla.ROW) * rows},
        bytes_read=2 * mla.ROW * rows + rope.BYTES_PER_TOKEN * work.tokens,
        bytes_written=mla.ROW * rows,
    )


def shape(work: Workload) -> tuple[int, int, int]:
    """M, N, K: tokens, elements written for one, 0."""
    return work.tokens, (work["heads"] + 1) * mla.ROW, 0


# Rounding to 3 bits of mantissa is off by at most 1/16, and below the least normal
# number, 2^-6, by half a step of 2^-9.
ROUNDED_TO_FP8 = Tolerance(atol=1e-3, rtol=0.065)

KERNEL = Kernel(
    name="mla_rope_quantize_fp8",
    source=Source.FLASHINFER,
    category=Category.ATTENTION,
    summary="rotary position embedding and FP8 quantisation of queries and cache row",
    dtype="bfloat16",
    ops=(
        Op(
            name="rotary_emb",
            axes={"heads": ds.Nh, "positions": rope.MAX_POSITIONS},
        ),
    ),
    min_compute_capability=(8, 9),
    providers=(
        Provider(
            package="flashinfer",
            distribution="flashinfer-python",
            symbols=("flashinfer.rope:mla_rope_quantize_fp8",),
            prepare=prepare,
        ),
    ),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={"query": ROUNDED_TO_FP8, "key": ROUNDED_TO_FP8},
    cost=cost,
    traffic=Traffic(
        read=("q_rope", "k_rope", "q_nope", "k_nope", "positions", "cos_sin_cache"),
        written=("query", "key"),
        share={"cos_sin_cache": rope.position_share},
    ),
    shape=shape,
    small_axes={"positions": 1024},
)
