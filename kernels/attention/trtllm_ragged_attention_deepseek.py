"""trtllm_ragged_attention_deepseek: causal attention of whole prompts, on sm_100."""

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

NO_OUTPUT_SCALE = -1.0
NO_WINDOW = -1


def prepare(api: Any, work: Workload, args: Tensors) -> Run:  # noqa: ANN401 -- loaded symbols
    """Allocate the zeroed workspace.

    Programmatic dependent launch is off: a timed call must not overlap the last.
    """
    import torch

    attend = partial(
        api.trtllm_ragged_attention_deepseek,
        query=args["query"],
        key=args["key"],
        value=args["value"],
        workspace_buffer=torch.zeros(
            mla.TRTLLM_WORKSPACE_BYTES, dtype=torch.uint8, device=args["query"].device
        ),
        seq_lens=args["seq_lens"],
        max_q_len=work.point.seq_len,
        max_kv_len=work.point.seq_len,
        bmm1_scale=mla.SOFTMAX_SCALE,
        bmm2_scale=1.0,
        o_sf_scale=NO_OUTPUT_SCALE,
        batch_size=work.point.batch_size,
        window_left=NO_WINDOW,
        cum_seq_lens_q=args["cum_seq_lens"],
        cum_seq_lens_kv=args["cum_seq_lens"],
        enable_pdl=False,
        is_causal=True,
        return_lse=False,
        out=args["out"],
    )

    def run() -> Tensors:
        attend()
        return {"out": args["out"]}

    return run


KERNEL = Kernel(
    name="trtllm_ragged_attention_deepseek",
    source=Source.FLASHINFER,
    category=Category.ATTENTION,
    summary="causal attention of whole prompts, with keys and values a head",
    dtype="bfloat16",
    ops=(Op(name="attn_mha", axes={"heads": ds.Nh}),),
    min_compute_capability=(10, 0),
    max_compute_capability=(10, 3),
    providers=(
        Provider(
            package="flashinfer",
            distribution="flashinfer-python",
            symbols=("flashinfer.prefill:trtllm_ragged_attention_deepseek",),
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
)
