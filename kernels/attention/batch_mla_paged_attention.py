"""batch_mla_paged_attention: flashinfer's absorbed attention for Hopper."""

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
    """Plan the batch, which serving does once for all layers.

    Query and cache go in as views of their latent and their rotary columns; page
    tables as one list of pages with each request's start.
    """
    import torch

    query, cache, table = args["query"], args["kv_cache"], args["page_table"]
    pages = mla.used_pages(work)
    requests = torch.arange(len(query) + 1, dtype=torch.int32, device=query.device)
    wrapper = api.BatchMLAPagedAttentionWrapper(
        torch.empty(
            mla.FLASHINFER_WORKSPACE_BYTES, dtype=torch.uint8, device=query.device
        ),
        backend="fa3",
    )
    wrapper.plan(
        qo_indptr=requests,
        kv_indptr=requests * pages,
        kv_indices=table[:, :pages].flatten(),
        kv_len_arr=args["seq_lens"],
        num_heads=work["heads"],
        head_dim_ckv=ds.Lkv,
        head_dim_kpe=ds.Dr,
        page_size=work["page_size"],
        causal=False,
        sm_scale=mla.SOFTMAX_SCALE,
        q_data_type=query.dtype,
        kv_data_type=cache.dtype,
    )
    attend = partial(
        wrapper.run,
        q_nope=query[..., : ds.Lkv],
        q_pe=query[..., ds.Lkv :],
        ckv_cache=cache[..., : ds.Lkv],
        kpe_cache=cache[..., ds.Lkv :],
        out=args["out"],
    )

    def run() -> Tensors:
        attend()
        return {"out": args["out"]}

    return run


KERNEL = Kernel(
    name="batch_mla_paged_attention",
    source=Source.FLASHINFER,
    category=Category.ATTENTION,
    summary="absorbed decode attention over a paged latent cache, for Hopper (FA3)",
    dtype="bfloat16",
    ops=(Op(name="attn_mqa", axes={"heads": ds.Nh, "page_size": 64}),),
    min_compute_capability=(9, 0),
    max_compute_capability=(9, 0),
    providers=(
        Provider(
            package="flashinfer",
            distribution="flashinfer-python",
            symbols=("flashinfer.mla:BatchMLAPagedAttentionWrapper",),
            prepare=prepare,
        ),
    ),
    make_inputs=mla.decode_inputs_and_out,
    reference=mla.absorbed_attention,
    tolerance={"out": Tolerance(atol=1e-2, rtol=1e-2)},
    cost=mla.decode_cost_bf16,
    traffic=mla.decode_traffic(allocates=False),
    shape=mla.decode_shape,
    phases=mla.DECODE,
    has_kv_axis=True,
    stands_in_for=("cutlass_mla_decode", "trtllm_batch_decode_with_kv_cache_mla"),
)
