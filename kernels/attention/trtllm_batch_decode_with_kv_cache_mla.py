"""trtllm_batch_decode_with_kv_cache_mla: absorbed attention over a paged FP8 cache."""

from functools import partial
from typing import Any

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels import mla
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
    Workload,
)


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """FP8 query and cache, whose scales are 1, and BF16 out."""
    return mla.decode_inputs_and_out(work, make, dtype="float8_e4m3fn")


def prepare(api: Any, work: Workload, args: Tensors) -> Run:  # noqa: ANN401 -- loaded symbols
    """Allocate the zeroed workspace; name the one query token a request.

    Programmatic dependent launch is off: a timed call must not overlap the last.
    """
    import torch

    query = args["query"]
    attend = partial(
        api.trtllm_batch_decode_with_kv_cache_mla,
        query=query.unsqueeze(1),
        kv_cache=args["kv_cache"].unsqueeze(1),
        workspace_buffer=torch.zeros(
            mla.TRTLLM_WORKSPACE_BYTES, dtype=torch.uint8, device=query.device
        ),
        qk_nope_head_dim=ds.Dn,
        kv_lora_rank=ds.Lkv,
        qk_rope_head_dim=ds.Dr,
        block_tables=args["page_table"],
        seq_lens=args["seq_lens"],
        max_seq_len=mla.kv_len(work),
        out=args["out"].unsqueeze(1),
        bmm1_scale=mla.SOFTMAX_SCALE,
        bmm2_scale=1.0,
        enable_pdl=False,
    )

    def run() -> Tensors:
        attend()
        return {"out": args["out"]}

    return run


def cost(work: Workload) -> Cost:
    return mla.decode_cost(work, datapath=Datapath.FP8_TENSOR, element_bytes=1)


KERNEL = Kernel(
    name="trtllm_batch_decode_with_kv_cache_mla",
    source=Source.FLASHINFER,
    category=Category.ATTENTION,
    summary="absorbed decode attention over a paged FP8 latent cache",
    dtype="float8_e4m3fn",
    ops=(
        Op(
            name="attn_mqa",
            axes={"heads": ds.Nh, "page_size": 64},
            note="FP8 queries and cache, as the NVFP4 checkpoint is served",
        ),
    ),
    min_compute_capability=(10, 0),
    max_compute_capability=(10, 3),
    providers=(
        Provider(
            package="flashinfer",
            distribution="flashinfer-python",
            symbols=("flashinfer.mla:trtllm_batch_decode_with_kv_cache_mla",),
            prepare=prepare,
        ),
    ),
    make_inputs=make_inputs,
    reference=mla.absorbed_attention,
    # The weights of the average are rounded to FP8 as well: 3 bits of mantissa.
    tolerance={"out": Tolerance(atol=1e-1, rtol=1e-1)},
    cost=cost,
    traffic=mla.decode_traffic(allocates=False),
    shape=mla.decode_shape,
    phases=mla.DECODE,
    has_kv_axis=True,
)
