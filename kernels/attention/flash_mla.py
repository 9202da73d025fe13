"""flash_mla: absorbed attention over a paged BF16 cache, on sm_90."""

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

KV_HEADS = 1  # all query heads share the cached row


def prepare(api: Any, work: Workload, args: Tensors) -> Run:  # noqa: ANN401 -- loaded symbols
    """Plan how requests are split over the SMs, which serving does once for all layers.

    The kernel allocates its output and the log-sum-exp that it returns beside it.
    """
    metadata, num_splits = api.get_mla_metadata(
        args["seq_lens"], work["heads"] // KV_HEADS, KV_HEADS
    )
    attend = partial(
        api.flash_mla_with_kvcache,
        q=args["query"].unsqueeze(1),
        k_cache=args["kv_cache"].unsqueeze(2),
        block_table=args["page_table"],
        cache_seqlens=args["seq_lens"],
        head_dim_v=ds.Lkv,
        tile_scheduler_metadata=metadata,
        num_splits=num_splits,
        softmax_scale=mla.SOFTMAX_SCALE,
        causal=True,
    )

    def run() -> Tensors:
        out, _log_sum_exp = attend()
        return {"out": out[:, 0]}

    return run


KERNEL = Kernel(
    name="flash_mla",
    source=Source.SGL_KERNEL,
    category=Category.ATTENTION,
    summary="absorbed decode attention over a paged latent cache, for Hopper",
    dtype="bfloat16",
    ops=(Op(name="attn_mqa", axes={"heads": ds.Nh, "page_size": 64}),),
    min_compute_capability=(9, 0),
    max_compute_capability=(9, 0),
    providers=(
        Provider(
            package="sgl_kernel",
            distribution="sglang-kernel",
            symbols=(
                "sgl_kernel.flash_mla:get_mla_metadata",
                "sgl_kernel.flash_mla:flash_mla_with_kvcache",
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
    stands_in_for=("cutlass_mla_decode", "trtllm_batch_decode_with_kv_cache_mla"),
)
