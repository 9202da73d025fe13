"""fp8_blockwise_scaled_grouped_mm: an FP8 GEMM an expert, with block scales."""

from typing import Any

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


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """FP8 a (rows, k) and b (experts, k, n), their scales, and BF16 out (rows, n).

    Rows are the assignments sorted by expert. b is the transposed view of a
    contiguous (experts, n, k), and so are its scales, one in 128 x 128; those of a
    are one in 128 columns. The int32 tables say where an expert's rows are.
    """
    experts, n, k = work["experts"], work["n"], work["k"]
    rows = grouped.assignments(work)
    _, first_rows = grouped.by_expert(grouped.expert_ids(work, make), experts)
    a, scales_a = grouped.fp8_rows(make, rows, k)
    b, scales_b = grouped.fp8_weights(make, experts, n, k)
    return {
        "a": a,
        "scales_a": scales_a,
        "b": b.mT,
        "scales_b": scales_b.mT,
        "first_rows": first_rows,
        "sizes": grouped.problem_sizes(first_rows, n, k),
        "out": make.output(rows, n),
    }


def prepare(api: Any, _work: Workload, args: Tensors) -> Run:  # noqa: ANN401 -- loaded symbols
    gemm = grouped.bind_fp8_gemm(
        api.fp8_blockwise_scaled_grouped_mm,
        **args | {"first_rows": args["first_rows"][:-1]},
    )

    def run() -> Tensors:
        gemm()
        return {"out": args["out"]}

    return run


def reference(_work: Workload, args: Tensors) -> Tensors:
    weights, scales = args["b"].mT, args["scales_b"].mT
    out = grouped.matmul(
        lambda rows: fp8.dequantize_groups(args["a"][rows], args["scales_a"][rows]),
        lambda expert: fp8.dequantize_blocks(weights[expert], scales[expert]),
        args["first_rows"],
    )
    return {"out": out}


def cost(work: Workload) -> Cost:
    """Per row 2nk FLOP, an FP8 row in and a BF16 row out; the busy experts' weights.

    An expert's weight is n * k bytes and nk / 128^2 FP32 scales. The tables, a few
    kilobytes, are not counted.
    """
    rows, n, k = grouped.shape(work)
    weights = grouped.distinct_experts(work) * grouped.fp8_weight_bytes(n, k)
    return Cost(
        flops={Datapath.FP8_TENSOR: 2 * n * k * rows},
        bytes_read=weights + grouped.fp8_row_bytes(k) * rows,
        bytes_written=2 * n * rows,
    )


ROUTING = {"experts": ds.E, "top_k": ds.K}

KERNEL = Kernel(
    name="fp8_blockwise_scaled_grouped_mm",
    source=Source.SGL_KERNEL,
    category=Category.MOE,
    summary="grouped FP8 GEMM of the experts, block-scaled",
    dtype="float8_e4m3fn",
    ops=(
        Op(name="experts (gate_up)", axes={"n": 2 * ds.I, "k": ds.H, **ROUTING}),
        Op(name="experts (down)", axes={"n": ds.H, "k": ds.I, **ROUTING}),
    ),
    min_compute_capability=(9, 0),
    max_compute_capability=(10, 3),
    providers=(
        Provider(
            package="sgl_kernel",
            distribution="sglang-kernel",
            symbols=("torch.ops.sgl_kernel:fp8_blockwise_scaled_grouped_mm.default",),
            prepare=prepare,
        ),
    ),
    make_inputs=make_inputs,
    reference=reference,
    # Outputs are of order 1. Hopper's FP8 units keep fewer than FP32's bits within a
    # block of 128 columns, hence atol.
    tolerance={"out": Tolerance(atol=1e-2, rtol=1e-2)},
    cost=cost,
    traffic=Traffic(
        read=("a", "scales_a", "b", "scales_b"),
        written=("out",),
        share={"b": grouped.busy_share, "scales_b": grouped.busy_share},
    ),
    shape=grouped.shape,
    stands_in_for=("cutlass_fp4_group_mm",),
    small_axes={"experts": 16, "n": 256, "k": 256},
)
