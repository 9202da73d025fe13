"""triton_fp8_moe: the routed experts in FP8, in five launches of our own and the list.

The activation and the second operand's quantisation are part of the first GEMM, and
routing weights of the second, so that only codes and weighted rows lie between.
Routing and the row list are sgl_kernel's ops.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dsprof.kernels import grouped, moe, moe_configs, moe_gemm, moe_pipeline
from dsprof.kernels.moe_configs import MoeConfig
from dsprof.kernels.moe_pipeline import Job
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

if TYPE_CHECKING:
    import torch

DTYPE = "float8_e4m3fn"
OURS = "dsprof.kernels.experts._fused_moe_kernel"
ROWS = "dsprof.kernels.experts._moe_rows"
PAIRS = "dsprof.kernels.experts._pair_blocks"
ON_HOPPER = "dsprof.kernels.experts._fused_moe_wgmma"

QUANTIZED_GROUPS = 16  # of 128 values, a program of quantize_rows
# Assignments that one program lists while others quantise: comparing each with each
# takes it less than the two launches of the op that lists any number.
LEAST_LISTED, MOST_LISTED = 16, 64
SUMMED_COLUMNS = 1024  # a program of sum_rows: 16 bytes a thread and row


def shape_of(work: Workload) -> moe_configs.Shape:
    return moe_configs.Shape(
        dtype=DTYPE,
        experts=work["experts"],
        hidden=work["n"],
        intermediate=work["intermediate"],
    )


def config_for(work: Workload, device: "torch.device") -> MoeConfig:
    """The tuned configuration of a size, or the generic one."""
    return moe_configs.find(
        moe_configs.load(),
        gpu=moe_configs.gpu_name(device),
        shape=shape_of(work),
        rows_per_expert=grouped.assignments(work) / work["experts"],
    )


def prepare(api: Any, work: Workload, args: Tensors) -> Run:  # noqa: ANN401 -- loaded symbols
    return bind(api, work, args, config_for(work, args["x"].device))


def bind(
    api: Any,  # noqa: ANN401 -- loaded symbols
    work: Workload,
    args: Tensors,
    config: MoeConfig,
) -> Run:
    """Bind the pipeline in one configuration; the tuner tries many."""
    job = moe_pipeline.make_job(work, args, config)
    gemms = moe_pipeline.bind_gemms(api, job)
    list_and_quantize = bind_list_and_quantize(api, args["x"], job)

    def run() -> Tensors:
        topk_ids, topk_weights = args["topk_ids"], args["topk_weights"]
        if moe.is_routed(work):
            topk_ids, topk_weights = moe.route(api.moe_fused_gate, work, args)
        list_and_quantize(topk_ids)
        gemms.gate_up()
        gemms.down(topk_weights)
        add_rows(api, job, args["out"])
        return {"out": args["out"]}

    return run


def bind_list_and_quantize(
    api: Any,  # noqa: ANN401 -- loaded symbols
    x: "torch.Tensor",
    job: Job,
) -> "Callable[[torch.Tensor], None]":
    """Bind what fills the row list from ids (tokens, top_k) and quantises tokens."""
    groups = job.x_scales.numel()
    programs = -(-groups // QUANTIZED_GROUPS)
    quantized = (x, job.x, job.x_scales, groups)
    constants = {
        "GROUPS": QUANTIZED_GROUPS,
        # It lets the first GEMM's programs start, and itself starts when the op ahead,
        # or whatever ran before a call, has ended.
        "OVERLAP": job.config.overlap,
        "IS_INTERPRETED": x.device.type == "cpu",
    }
    rows, assignments = job.rows, len(job.out)
    if assignments <= MOST_LISTED:

        def both(topk_ids: "torch.Tensor") -> None:
            api.quantize_and_list_rows[programs + 1,](
                *quantized,
                topk_ids,
                rows.sorted_token_ids,
                rows.expert_ids,
                rows.num_tokens_post_padded,
                assignments,
                len(rows.sorted_token_ids),
                LISTED=max(LEAST_LISTED, 1 << (assignments - 1).bit_length()),
                BLOCK_M=rows.block_rows,
                **constants,
            )

        return both
    align = _bind_align(api, job)

    def one_by_one(topk_ids: "torch.Tensor") -> None:
        align(topk_ids)
        api.quantize_rows[programs,](*quantized, **constants)

    return one_by_one


def _bind_align(
    api: Any,  # noqa: ANN401 -- loaded symbols
    job: Job,
) -> "Callable[[torch.Tensor], None]":
    """Bind moe_align_block_size, which fills the row list from ids."""
    import torch

    rows, counted = job.rows, job.work["experts"] + 1
    cumsum = torch.zeros(counted + 1, dtype=torch.int32, device=job.x.device)

    def align(topk_ids: "torch.Tensor") -> None:
        api.moe_align_block_size(
            topk_ids,
            num_experts=counted,
            block_size=rows.block_rows,
            sorted_token_ids=rows.sorted_token_ids,
            experts_ids=rows.expert_ids,
            num_tokens_post_pad=rows.num_tokens_post_padded,
            cumsum_buffer=cumsum,
            pad_sorted_token_ids=True,
        )

    return align


def add_rows(api: Any, job: Job, out: "torch.Tensor") -> None:  # noqa: ANN401 -- loaded symbols
    tokens, n = out.shape
    grid = (tokens, -(-n // SUMMED_COLUMNS))
    api.sum_rows[grid](
        job.out,
        out,
        n,
        TOP_K=job.work["top_k"],
        BLOCK=SUMMED_COLUMNS,
        **moe_gemm.launch_options(overlap=job.config.overlap),
    )


def reference(work: Workload, args: Tensors) -> Tensors:
    return moe.reference(work, args, is_fused=True)


KERNEL = Kernel(
    name="triton_fp8_moe",
    source=Source.TRITON,
    category=Category.MOE,
    summary="the routed experts in one pipeline of our own, in FP8",
    dtype=DTYPE,
    ops=(
        Op(
            name="experts (fused)",
            axes=moe.AXES,
            note="row list, quantisation, two GEMMs and a sum in a row",
        ),
        Op(
            name="routed experts",
            axes=moe.ROUTED_AXES,
            note="the same behind moe_fused_gate",
            on_request=True,
        ),
    ),
    min_compute_capability=(8, 9),
    providers=(
        Provider(
            package="sgl_kernel",
            distribution="sglang-kernel",
            symbols=(
                "torch.ops.sgl_kernel:moe_fused_gate.default",
                "torch.ops.sgl_kernel:moe_align_block_size.default",
                f"{OURS}:fused_moe",
                f"{OURS}:fused_moe_silu",
                f"{ROWS}:quantize_rows",
                f"{ROWS}:quantize_and_list_rows",
                f"{ROWS}:sum_rows",
                f"{PAIRS}:pair_blocks",
                f"{ON_HOPPER}:fused_moe_wgmma",
            ),
            prepare=prepare,
        ),
    ),
    make_inputs=moe.make_inputs,
    reference=reference,
    # As fp8_moe's: a sum that is off by 0.1 % rounds many values between the GEMMs to
    # the next FP8 code. One expert of a token is 0.8 rms.
    tolerance={"out": Tolerance(atol=0.5, rtol=2e-2)},
    cost=moe.cost,
    traffic=moe.TRAFFIC,
    distinct_experts=moe.distinct_experts,
    stands_in_for=("trtllm_fp4_block_scale_moe",),
    small_axes=moe.SMALL_AXES,
)
