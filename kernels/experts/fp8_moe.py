"""fp8_moe: the routed experts in FP8, as a pipeline of sgl_kernel's ops.

One run is what SGLang calls on Hopper for a layer's experts, from the choice of
experts to their weighted sum. Its parts have files of their own, so its time is never
added to theirs.
"""

from typing import TYPE_CHECKING, Any

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels import fp8, grouped
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
    Traffic,
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
)

W2_GAIN = 4.0  # makes up for what silu and the weighted sum take: outputs of order 2


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """BF16 x and out (tokens, n), ids and BF16 weights (tokens, 8), FP8 w1 and w2.

    w1 is (experts, n, 2 * intermediate), gate before up, w2 (experts, intermediate, n).
    Both are transposed views of what is contiguous the other way round, and so are
    their FP32 scales, one in 128 x 128.
    """
    experts, n, inner = work["experts"], work["n"], work["intermediate"]
    w1, w1_scales = grouped.fp8_weights(make, experts, 2 * inner, n, mean=n**-0.5)
    w2, w2_scales = grouped.fp8_weights(
        make, experts, n, inner, mean=W2_GAIN * inner**-0.5
    )
    return {
        "x": make.normal(work.tokens, n),
        "topk_ids": grouped.expert_ids(work, make),
        "topk_weights": grouped.topk_weights(work, make).bfloat16(),
        "w1": w1.mT,
        "w1_scales": w1_scales.mT,
        "w2": w2.mT,
        "w2_scales": w2_scales.mT,
        "out": make.output(work.tokens, n),
    }


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
        _sort_by_expert(api, work, args, between)
        _quantize(api, args["x"], between["x"], between["x_scales"])
        for name in ("", "_scales"):
            source, sorted_rows = between[f"x{name}"], between[f"a1{name}"]
            api.shuffle_rows(source, between["token_of_row"], sorted_rows)
        gate_up_proj()
        api.silu_and_mul(between["hidden"], between["c1"])
        _quantize(api, between["hidden"], between["a2"], between["a2_scales"])
        down_proj()
        api.apply_shuffle_mul_sum(
            between["c2"], args["out"], between["row_of"], args["topk_weights"]
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
    }
    return {
        name: torch.empty(shape, dtype=dtype, device=device)
        for name, (dtype, shape) in layouts.items()
    }


def _sort_by_expert(
    api: Any,  # noqa: ANN401 -- loaded symbols
    work: Workload,
    args: Tensors,
    between: Tensors,
) -> None:
    api.prepare_moe_input(
        args["topk_ids"],
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
    """Quantise both GEMMs' rows and round to BF16 between ops, as the pipeline does."""
    x = fp8.dequantize_groups(*fp8.quantize_groups(args["x"]))

    def weight(name: str, expert: int) -> "torch.Tensor":
        scales = args[f"{name}_scales"][expert].mT
        return fp8.dequantize_blocks(args[name][expert].mT, scales)

    def run_expert(expert: int, rows: "torch.Tensor") -> "torch.Tensor":
        gate, up = (rows @ weight("w1", expert).mT).bfloat16().float().chunk(2, dim=-1)
        inner = (gate.sigmoid() * gate * up).bfloat16()
        inner = fp8.dequantize_groups(*fp8.quantize_groups(inner))
        return (inner @ weight("w2", expert).mT).bfloat16().float()

    weights = args["topk_weights"].float()
    out = grouped.mixture(x, run_expert, args["topk_ids"], weights, work["experts"])
    return {"out": out}


def cost(work: Workload) -> Cost:
    """Both GEMMs' FLOP; what must be read and written were nothing kept in between.

    The weights of the experts that get a row, with their scales, a BF16 row a token
    in and out, its int32 ids and BF16 weights. The pipeline also writes and reads what
    lies between its ops, so it moves more than this.
    """
    tokens, n, inner = work.tokens, work["n"], work["intermediate"]
    weights = grouped.fp8_weight_bytes(3 * inner, n)
    return Cost(
        flops={Datapath.FP8_TENSOR: 2 * 3 * n * inner * grouped.assignments(work)},
        bytes_read=grouped.distinct_experts(work) * weights
        + (2 * n + (4 + 2) * work["top_k"]) * tokens,
        bytes_written=2 * n * tokens,
    )


WEIGHTS = ("w1", "w1_scales", "w2", "w2_scales")

KERNEL = Kernel(
    name="fp8_moe",
    source=Source.SGL_KERNEL,
    category=Category.MOE,
    summary="the routed experts in one pipeline, in FP8",
    dtype="float8_e4m3fn",
    ops=(
        Op(
            name="experts (fused)",
            axes={"n": ds.H, "intermediate": ds.I, "experts": ds.E, "top_k": ds.K},
            note="nine ops in a row, which are also measured one by one",
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
    make_inputs=make_inputs,
    reference=reference,
    # Outputs have a standard deviation of 2.4. A sum that is off by 0.1 % of its size
    # rounds many values between the GEMMs to the next FP8 code: noise of that size in
    # the reference moves outputs by 0.03 rms. On an H200 they are off by 0.046 rms and,
    # of 10^8, by 0.36 at most. One expert of a token is 0.8 rms.
    tolerance={"out": Tolerance(atol=0.5, rtol=2e-2)},
    cost=cost,
    traffic=Traffic(
        read=("x", "topk_ids", "topk_weights", *WEIGHTS),
        written=("out",),
        share=dict.fromkeys(WEIGHTS, grouped.busy_share),
    ),
    stands_in_for=("trtllm_fp4_block_scale_moe",),
    small_axes={"n": 256, "intermediate": 128, "experts": 16},
)
