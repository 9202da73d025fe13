"""cutlass_mla_decode: absorbed attention over a paged BF16 cache, on sm_100."""

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

# One split of the keys: the package advises it for CUDA graphs.
KV_SPLITS = 1


def prepare(api: Any, work: Workload, args: Tensors) -> Run:  # noqa: ANN401 -- loaded symbols
    """Allocate the workspace that this batch and table need.

    The two query parts are views of one (B, heads, 576) tensor.
    """
    import torch

    workspace_bytes = api.cutlass_mla_get_workspace_size(
        mla.table_pages(work) * work["page_size"],
        work.tokens,
        num_kv_splits=KV_SPLITS,
    )
    query = args["query"]
    attend = partial(
        api.cutlass_mla_decode,
        q_nope=query[..., : ds.Lkv],
        q_pe=query[..., ds.Lkv :],
        kv_c_and_k_pe_cache=args["kv_cache"],
        seq_lens=args["seq_lens"],
        page_table=args["page_table"],
        workspace=torch.empty(workspace_bytes, dtype=torch.uint8, device=query.device),
        sm_scale=mla.SOFTMAX_SCALE,
        num_kv_splits=KV_SPLITS,
    )
    return lambda: {"out": attend()}


KERNEL = Kernel(
    name="cutlass_mla_decode",
    source=Source.SGL_KERNEL,
    category=Category.ATTENTION,
    summary="absorbed decode attention over a paged latent cache",
    dtype="bfloat16",
    ops=(Op(name="attn_mqa", axes={"heads": ds.Nh, "page_size": 128}),),
    min_compute_capability=(10, 0),
    max_compute_capability=(10, 0),
    providers=(
        Provider(
            package="sgl_kernel",
            distribution="sglang-kernel",
            symbols=(
                "sgl_kernel:cutlass_mla_decode",
                "sgl_kernel:cutlass_mla_get_workspace_size",
            ),
            prepare=prepare,
        ),
    ),
    make_inputs=mla.decode_inputs,
    reference=mla.absorbed_attention,
    tolerance={"out": Tolerance(atol=1e-2, rtol=1e-2)},
    cost=mla.decode_cost_bf16,
    traffic=mla.decode_traffic(allocates=True),
    shape=mla.decode_shape,
    phases=mla.DECODE,
    has_kv_axis=True,
)
