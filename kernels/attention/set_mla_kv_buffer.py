"""set_mla_kv_buffer: writes each token's latent and rotary key into its cache slot."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from dsprof.kernels import deepseek as ds
from dsprof.kernels import mla
from dsprof.kernels.providers import python_function
from dsprof.kernels.spec import (
    EXACT,
    Category,
    Cost,
    Kernel,
    Op,
    Provider,
    Run,
    Source,
    TensorMaker,
    Tensors,
    Traffic,
    Workload,
    rows_width,
)

SLOTS_PER_TOKEN = 2  # so that half of the cache must stay as it is


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """Latent (tokens, 512), rotary (tokens, 64), slots int64, cache (slots, 576).

    The latent is contiguous, as its norm leaves it; the rotary key lies in the
    fused_qkv_a output (tokens, 2112). The cache has old values and twice as many
    slots as there are tokens, which go to different ones in no order.
    """
    tokens, n = work.tokens, work["n"]
    order = make.normal(SLOTS_PER_TOKEN * tokens, dtype="float32").argsort()
    return {
        "latent": make.normal(tokens, n - ds.Dr),
        "rotary": make.normal(tokens, ds.QKV_A)[:, -ds.Dr :],
        "slots": order[:tokens],
        "cache": make.normal(SLOTS_PER_TOKEN * tokens, n),
    }


def call(op: Callable[..., None], args: Tensors) -> Tensors:
    op(args["cache"], args["slots"], args["latent"], args["rotary"])
    return {"cache": args["cache"]}


def prepare_torch(api: Any, work: Workload, args: Tensors) -> Run:  # noqa: ANN401 -- loaded symbols
    """Two copies by index, because the two parts of a row come from two tensors."""
    width = work["n"] - ds.Dr
    latents, rotaries = args["cache"][:, :width], args["cache"][:, width:]

    def run() -> Tensors:
        api.Tensor(latents, 0, args["slots"], args["latent"])
        api.Tensor(rotaries, 0, args["slots"], args["rotary"])
        return {"cache": args["cache"]}

    return run


def reference(_work: Workload, args: Tensors) -> Tensors:
    import torch

    cache = args["cache"].clone()
    cache[args["slots"]] = torch.cat([args["latent"], args["rotary"]], dim=-1)
    return {"cache": cache}


def cost(work: Workload) -> Cost:
    """A copy: no FLOP; a BF16 row in and out, and the slot's 8 bytes, a token."""
    row_bytes = 2 * work["n"]
    return Cost(
        bytes_read=(row_bytes + 8) * work.tokens,
        bytes_written=row_bytes * work.tokens,
    )


KERNEL = Kernel(
    name="set_mla_kv_buffer",
    source=Source.TRITON,
    category=Category.ATTENTION,
    summary="writes new rows of the latent KV cache",
    dtype="bfloat16",
    ops=(Op(name="kv_write", axes={"n": mla.ROW}),),
    min_compute_capability=(8, 0),
    providers=(
        python_function(
            "sglang.srt.mem_cache.utils:set_mla_kv_buffer_triton",
            call,
            distribution="sglang",
        ),
        Provider(
            package="torch",
            distribution="torch",
            symbols=("torch:Tensor.index_copy_",),
            prepare=prepare_torch,
        ),
    ),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={"cache": EXACT},
    cost=cost,
    traffic=Traffic(
        read=("latent", "rotary", "slots"),
        written=("cache",),
        share={"cache": lambda _work: Fraction(1, SLOTS_PER_TOKEN)},
    ),
    shape=rows_width,
)
