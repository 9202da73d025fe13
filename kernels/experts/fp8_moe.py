"""fp8_moe: the routed experts in FP8, as a pipeline of sgl_kernel's ops.

One run is what SGLang calls on Hopper for a layer's experts, from the choice of
experts, or from the router's logits, to their weighted sum. Its parts have files of
their own, so its time is never added to theirs.
"""

from typing import TYPE_CHECKING, Any

from dsprof.kernels import fp8, grouped, moe
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

OPS = (
    "prepare_moe_input",
    "sgl_per_token_group_quant_8bit_v2",
    "shuffle_rows",
    "fp8_blockwise_scaled_grouped_mm",
    "silu_and_mul",
    "apply_shuffle_mul_sum",
    "moe_fused_gate",
)


def prepare(api: Any, work: Workload, args: Tensors) -> Run:  # noqa: ANN401 -- loaded symbols
    between = _buffers(work, args["x"].device)
    gate_up_proj, down_proj = (
        grouped.bind_fp8_gemm(
            api.fp8_blockwise_scaled_grouped_mm,
            a=between[f"a{gemm}"],
            scales_a=between[f"a{gemm}_scales"],
            b=args[f"w{gemm}"],
            scales_b=args[f"w{gemm}_scales"],
            out=between[f"c{gemm}"],
            sizes=between[f"sizes{gemm}"],
            first_rows=between["first_rows"][:-1],
        )
        for gemm in (1, 2)
    )

    def run() -> Tensors:
        topk_ids, topk_weights = args["topk_ids"], args["topk_weights"]
        if moe.is_routed(work):
            topk_ids, weights = moe.route(api.moe_fused_gate, work, args)
            topk_weights = between["topk_weights"].copy_(weights)
        _sort_by_expert(api, work, topk_ids, between)
        _quantize(api, args["x"], between["x"], between["x_scales"])
        for name in ("", "_scales"):
            source, sorted_rows = between[f"x{name}"], between[f"a1{name}"]
            api.shuffle_rows(source, between["token_of_row"], sorted_rows)
        gate_up_proj()
        api.silu_and_mul(between["hidden"], between["c1"])
        _quantize(api, between["hidden"], between["a2"], between["a2_scales"])
        down_proj()
        api.apply_shuffle_mul_sum(
            between["c2"], args["out"], between["row_of"], topk_weights
        )
        return {"out": args["out"]}

    return run


def _buffers(work: Workload, device: "torch.device") -> Tensors:
    """What lies between the ops; serving allocates it once, for its largest batch."""
    import torch

    tokens, n, inner = work.tokens, work["n"], work["intermediate"]
    rows, experts = grouped.assignments(work), work["experts"]
    int32, bf16, f32 = torch.int32, torch.bfloat16, torch.float32
    e4m3 = torch.float8_e4m3fn
    layouts: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {
        "first_rows": (int32, (experts + 1,)),
        "sizes1": (int32, (experts, 3)),
        "sizes2": (int32, (experts, 3)),
        "token_of_row": (int32, (rows,)),
        "row_of": (int32, (rows,)),
        "x": (e4m3, (tokens, n)),
        "x_scales": (f32, (tokens, n // fp8.GROUP)),
        "a1": (e4m3, (rows, n)),
        "a1_scales": (f32, (rows, n // fp8.GROUP)),
        "c1": (bf16, (rows, 2 * inner)),
        "hidden": (bf16, (rows, inner)),
        "a2": (e4m3, (rows, inner)),
        "a2_scales": (f32, (rows, inner // fp8.GROUP)),
        "c2": (bf16, (rows, n)),
        "topk_weights": (bf16, (tokens, work["top_k"])),  # the sum wants its rows' type
    }
    return {
        name: torch.empty(shape, dtype=dtype, device=device)
        for name, (dtype, shape) in layouts.items()
    }


def _sort_by_expert(
    api: Any,  # noqa: ANN401 -- loaded symbols
    work: Workload,
    topk_ids: "torch.Tensor",
    between: Tensors,
) -> None:
    api.prepare_moe_input(
        topk_ids,
        between["first_rows"],
        None,  # scales of FP8 rows are not padded
        between["sizes1"],
        between["sizes2"],
        between["token_of_row"],
        between["row_of"],
        work["experts"],
        work["intermediate"],
        work["n"],
    )


def _quantize(
    api: Any,  # noqa: ANN401 -- loaded symbols
    x: "torch.Tensor",
    codes: "torch.Tensor",
    scales: "torch.Tensor",
) -> None:
    api.sgl_per_token_group_quant_8bit_v2(
        x,
        codes,
        scales,
        fp8.GROUP,
        fp8.SMALLEST_AMAX,
        -fp8.MAX,
        fp8.MAX,
        False,  # noqa: FBT003 -- scales are FP32, not powers of two
        False,  # noqa: FBT003 -- silu_and_mul is an op of its own
        None,  # every row counts
    )


def reference(work: Workload, args: Tensors) -> Tensors:
    return moe.reference(work, args, is_fused=False)


KERNEL = Kernel(
    name="fp8_moe",
    source=Source.SGL_KERNEL,
    category=Category.MOE,
    summary="the routed experts in one pipeline, in FP8",
    dtype="float8_e4m3fn",
    ops=(
        Op(
            name="experts (fused)",
            axes=moe.AXES,
            note="nine ops in a row, which are also measured one by one",
        ),
        Op(
            name="routed experts",
            axes=moe.ROUTED_AXES,
            note="the same nine ops behind moe_fused_gate",
            on_request=True,
        ),
    ),
    min_compute_capability=(9, 0),
    max_compute_capability=(10, 3),
    providers=(
        Provider(
            package="sgl_kernel",
            distribution="sglang-kernel",
            symbols=tuple(f"torch.ops.sgl_kernel:{op}.default" for op in OPS),
            prepare=prepare,
        ),
    ),
    make_inputs=moe.make_inputs,
    reference=reference,
    # Outputs have a standard deviation of 2.4. A sum that is off by 0.1 % of its size
    # rounds many values between the GEMMs to the next FP8 code: noise of that size in
    # the reference moves outputs by 0.03 rms. On an H200 they are off by 0.046 rms and,
    # of 10^8, by 0.36 at most. One expert of a token is 0.8 rms.
    tolerance={"out": Tolerance(atol=0.5, rtol=2e-2)},
    cost=moe.cost,
    traffic=moe.TRAFFIC,
    distinct_experts=moe.distinct_experts,
    stands_in_for=("trtllm_fp4_block_scale_moe",),
    small_axes=moe.SMALL_AXES,
)
