"""batch_prefill_with_ragged_kv_cache: flashinfer's causal prompt attention, Hopper."""

from functools import partial
from typing import Any

from dsprof.kernels import deepseek as ds
from dsprof.kernels import mla
from dsprof.kernels.spec import (
    Category,
    Kernel,
    Op,
    Provider,
    Run,
    Source,
    Tensors,
    Tolerance,
    Workload,
)


def prepare(api: Any, work: Workload, args: Tensors) -> Run:  # noqa: ANN401 -- loaded symbols
    """Plan the batch, which serving does once for all layers."""
    import torch

    query, starts = args["query"], args["cum_seq_lens"]
    wrapper = api.BatchPrefillWithRaggedKVCacheWrapper(
        torch.empty(
            mla.FLASHINFER_WORKSPACE_BYTES, dtype=torch.uint8, device=query.device
        ),
        backend="fa3",
    )
    wrapper.plan(
        qo_indptr=starts,
        kv_indptr=starts,
        num_qo_heads=work["heads"],
        num_kv_heads=work["heads"],
        head_dim_qk=ds.Dq,
        head_dim_vo=ds.Dv,
        causal=True,
        sm_scale=mla.SOFTMAX_SCALE,
        q_data_type=query.dtype,
        kv_data_type=args["key"].dtype,
    )
    attend = partial(
        wrapper.run,
        args["query"],
        args["key"],
        args["value"],
        out=args["out"],
        enable_pdl=False,
    )

    def run() -> Tensors:
        attend()
        return {"out": args["out"]}

    return run


KERNEL = Kernel(
    name="batch_prefill_with_ragged_kv_cache",
    source=Source.FLASHINFER,
    category=Category.ATTENTION,
    summary="causal attention of whole prompts, for Hopper (FA3)",
    dtype="bfloat16",
    ops=(Op(name="attn_mha", axes={"heads": ds.Nh}),),
    min_compute_capability=(9, 0),
    max_compute_capability=(9, 0),
    providers=(
        Provider(
            package="flashinfer",
            distribution="flashinfer-python",
            symbols=("flashinfer.prefill:BatchPrefillWithRaggedKVCacheWrapper",),
            prepare=prepare,
        ),
    ),
    make_inputs=mla.prefill_inputs,
    reference=mla.causal_attention,
    tolerance={"out": Tolerance(atol=1e-2, rtol=1e-2)},
    cost=mla.prefill_cost,
    traffic=mla.PREFILL_TRAFFIC,
    shape=mla.prefill_shape,
    phases=mla.PREFILL,
    stands_in_for=("trtllm_ragged_attention_deepseek",),
)
