"""apply_rope_with_cos_sin_cache_inplace: turns the rotary parts of queries and key."""

from collections.abc import Callable

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels import rope
from dsprof.kernels.providers import python_function
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

NAME = "apply_rope_with_cos_sin_cache_inplace"


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """Query (tokens, heads, 64) and key (tokens, 1, 64), changed in place; positions.

    Both are views, as in the model: of the last columns of each head in the q_b
    output (tokens, heads, 192), and of the fused_qkv_a output (tokens, 2112).
    """
    tokens = work.tokens
    queries = make.normal(tokens, work["heads"], ds.Dq)
    latents = make.normal(tokens, 1, ds.QKV_A)
    return {
        "query": queries[..., ds.Dn :],
        "key": latents[..., -ds.Dr :],
        **rope.position_inputs(work, make),
    }


def call(op: Callable[..., None], args: Tensors) -> Tensors:
    """As flashinfer has it."""
    op(
        args["positions"],
        args["query"],
        args["key"],
        ds.Dr,
        args["cos_sin_cache"],
        is_neox=False,
    )
    return {"query": args["query"], "key": args["key"]}


def call_without_overlap(op: Callable[..., None], args: Tensors) -> Tensors:
    """As sgl_kernel has it, whose kernel could begin before the last one ends."""
    op(
        args["positions"],
        args["query"],
        args["key"],
        ds.Dr,
        args["cos_sin_cache"],
        is_neox=False,
        enable_pdl=False,
    )
    return {"query": args["query"], "key": args["key"]}


def call_positions_last(op: Callable[..., None], args: Tensors) -> Tensors:
    """As SGLang has it: the name of sgl_kernel's function with another order."""
    op(
        args["query"],
        args["key"],
        args["cos_sin_cache"],
        args["positions"],
        is_neox=False,
    )
    return {"query": args["query"], "key": args["key"]}


def reference(_work: Workload, args: Tensors) -> Tensors:
    return {name: rope.rotate(args[name], args) for name in ("query", "key")}


def cost(work: Workload) -> Cost:
    """3 FLOP an element: 4 products and 2 sums a pair. Each element in and out.

    A token also reads its position, 8 bytes, and 64 FP32 cosines and sines.
    """
    elements = (work["heads"] + 1) * ds.Dr * work.tokens
    return Cost(
        flops={Datapath.FP32: 3 * elements},
        bytes_read=2 * elements + rope.BYTES_PER_TOKEN * work.tokens,
        bytes_written=2 * elements,
    )


def shape(work: Workload) -> tuple[int, int, int]:
    """M, N, K: tokens, the elements of one that turn, 0."""
    return work.tokens, (work["heads"] + 1) * ds.Dr, 0


KERNEL = Kernel(
    name=NAME,
    source=Source.SGL_KERNEL,
    category=Category.ROPE,
    summary="rotary position embedding of queries and the shared key, in place",
    dtype="bfloat16",
    ops=(
        Op(
            name="rotary_emb",
            axes={"heads": ds.Nh, "positions": rope.MAX_POSITIONS},
        ),
    ),
    min_compute_capability=(8, 0),
    providers=(
        python_function(
            f"sgl_kernel:{NAME}", call_without_overlap, distribution="sglang-kernel"
        ),
        python_function(
            f"flashinfer.rope:{NAME}", call, distribution="flashinfer-python"
        ),
        python_function(
            f"sglang.jit_kernel.rope:{NAME}",
            call_positions_last,
            distribution="sglang",
            variant="jit_kernel",
        ),
        python_function(
            f"sglang.kernels.ops.attention.rope:{NAME}",
            call_positions_last,
            distribution="sglang",
            variant="ops",
        ),
    ),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={
        "query": Tolerance(atol=1e-2, rtol=1e-2),
        "key": Tolerance(atol=1e-2, rtol=1e-2),
    },
    cost=cost,
    traffic=Traffic(
        read=("query", "key", "positions", "cos_sin_cache"),
        written=("query", "key"),
        share={"cos_sin_cache": rope.position_share},
    ),
    shape=shape,
    small_axes={"positions": 1024},
)
