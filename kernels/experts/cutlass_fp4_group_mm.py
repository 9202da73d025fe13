"""cutlass_fp4_group_mm: an NVFP4 GEMM an expert."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels import grouped, nvfp4, routed
from dsprof.kernels.providers import python_function
from dsprof.kernels.spec import (
    Category,
    Cost,
    Kernel,
    Op,
    Source,
    TensorMaker,
    Tensors,
    Tolerance,
    Traffic,
    Workload,
)

TABLES = (
    "ab_strides",
    "c_strides",
    "problem_sizes",
    "expert_offsets",
    "blockscale_offsets",
)


def scale_rows(work: Workload) -> int:
    """Rows of a's scales: each expert's begin a tile of 128 of their own."""
    counts = routed.rows_per_expert(work.tokens, work["experts"], work["top_k"])
    tiles = -(-counts // nvfp4.TILE_ROWS)
    return int(tiles.sum()) * nvfp4.TILE_ROWS


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """Packed a (rows, k / 2) and b (experts, n, k / 2), e4m3 scales and FP32 alphas.

    Rows are the assignments sorted by expert. Both scales are swizzled, a's in
    (``scale_rows``, k / 16), b's in (experts, n, k / 16). alphas, one an expert, undo
    the global scales. Strides, in elements, are int64 (experts); the sizes int32
    (experts, 3) and the offsets int32 (experts), of an expert's rows and scale rows.
    """
    import torch

    experts, n, k = work["experts"], work["n"], work["k"]
    _, first_rows = grouped.by_expert(grouped.expert_ids(work, make), experts)
    tiles = (first_rows.diff() + nvfp4.TILE_ROWS - 1) // nvfp4.TILE_ROWS
    first_scale_rows = (tiles.cumsum(0) - tiles) * nvfp4.TILE_ROWS
    a_fp4, _ = grouped.fp4_operand(make, grouped.assignments(work), k)
    _, a_blockscale = grouped.fp4_operand(make, scale_rows(work), k)
    b_fp4, b_blockscale = grouped.fp4_operand(make, experts, n, k)
    order_one = 1 / (grouped.FP4_VARIANCE * k**0.5)
    strides = torch.zeros_like(tiles, dtype=torch.int64)
    return {
        "a_fp4": a_fp4,
        "a_blockscale": a_blockscale,
        "b_fp4": b_fp4,
        "b_blockscale": b_blockscale,
        "alphas": grouped.scales(make, experts, mean=order_one),
        "ab_strides": strides + k,
        "c_strides": strides + n,
        "problem_sizes": grouped.problem_sizes(first_rows, n, k),
        "expert_offsets": first_rows[:-1],
        "blockscale_offsets": first_scale_rows.int(),
    }


def call(function: Callable[..., Any], args: Tensors) -> Tensors:
    return {"out": function(*_operands(args), _params(args))}


def call_with_device(function: Callable[..., Any], args: Tensors) -> Tensors:
    """Call sgl-kernel 0.3's function, which asks for the device before the tables."""
    device = args["a_fp4"].device
    return {"out": function(*_operands(args), device, _params(args))}


def _operands(args: Tensors) -> tuple[Any, ...]:
    import torch

    names = ("a_fp4", "b_fp4", "a_blockscale", "b_blockscale", "alphas")
    return (*(args[name] for name in names), torch.bfloat16)


def _params(args: Tensors) -> Tensors:
    return {name: args[name] for name in TABLES}


def reference(work: Workload, args: Tensors) -> Tensors:
    import torch

    n, k = work["n"], work["k"]
    columns = k // nvfp4.BLOCK
    counts = args["problem_sizes"][:, 0]
    first_rows = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
    linear = nvfp4.unswizzle(args["a_blockscale"], scale_rows(work), columns)
    scales = linear.view(torch.uint8)[nvfp4.padded_row_of(counts)].view(linear.dtype)

    def weight(expert: int) -> torch.Tensor:
        b_scales = nvfp4.unswizzle(args["b_blockscale"][expert], n, columns)
        values = nvfp4.dequantize(args["b_fp4"][expert], b_scales, 1.0)
        return values.mul_(args["alphas"][expert])

    out = grouped.matmul(
        lambda rows: nvfp4.dequantize(args["a_fp4"][rows], scales[rows], 1.0),
        weight,
        first_rows,
    )
    return {"out": out}


def cost(work: Workload) -> Cost:
    """Per row 2nk FLOP, an FP4 row in and a BF16 row out; the busy experts' weights.

    FP4 is half a byte and a sixteenth for its scale. Scales that only pad a tile, the
    alphas and the tables are not counted.
    """
    rows, n, k = grouped.shape(work)
    weights = grouped.distinct_experts(work) * grouped.fp4_bytes(n * k)
    return Cost(
        flops={Datapath.FP4_TENSOR: 2 * n * k * rows},
        bytes_read=weights + grouped.fp4_bytes(k) * rows,
        bytes_written=written_bytes(work),
    )


def written_bytes(work: Workload) -> int:
    rows, n, _ = grouped.shape(work)
    return 2 * n * rows


def _share_of_scale_rows(work: Workload) -> Fraction:
    return Fraction(grouped.assignments(work), scale_rows(work))


ROUTING = {"experts": ds.E, "top_k": ds.K}

KERNEL = Kernel(
    name="cutlass_fp4_group_mm",
    source=Source.SGL_KERNEL,
    category=Category.MOE,
    summary="grouped NVFP4 GEMM of the experts",
    dtype="nvfp4",
    ops=(
        Op(name="experts (gate_up)", axes={"n": 2 * ds.I, "k": ds.H, **ROUTING}),
        Op(name="experts (down)", axes={"n": ds.H, "k": ds.I, **ROUTING}),
    ),
    min_compute_capability=(10, 0),  # the first with FP4 matrix units
    providers=(
        python_function(
            "sgl_kernel:cutlass_fp4_group_mm",
            call_with_device,
            distribution="sgl-kernel",
        ),
        python_function(
            "sglang.jit_kernel.nvfp4:cutlass_fp4_group_mm",
            call,
            distribution="sglang",
        ),
    ),
    make_inputs=make_inputs,
    reference=reference,
    # Outputs are of order 1; the limits are those of SGLang's own test of the op.
    tolerance={"out": Tolerance(atol=1e-1, rtol=1e-1)},
    cost=cost,
    traffic=Traffic(
        read=("a_fp4", "a_blockscale", "b_fp4", "b_blockscale"),
        written=(),
        allocated_bytes=written_bytes,
        share={
            "a_blockscale": _share_of_scale_rows,
            "b_fp4": grouped.busy_share,
            "b_blockscale": grouped.busy_share,
        },
    ),
    shape=grouped.shape,
    small_axes={"experts": 16, "n": 256, "k": 256},
)
