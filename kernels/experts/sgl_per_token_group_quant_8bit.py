"""sgl_per_token_group_quant_8bit: BF16 rows to FP8 with a scale for 128 columns.

The operand of every FP8 GEMM of a layer. The op of this name in sgl_kernel's Python
calls its second version where the group size is 16 to 128, so that one is called.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels import fp8
from dsprof.kernels.providers import sgl_kernel
from dsprof.kernels.spec import (
    EXACT,
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

if TYPE_CHECKING:
    import torch

# A code this much farther from the value, relative to it, than the nearest is a tie
# that FP32 rounding decided.
TIE = 1e-5


def shape(work: Workload) -> tuple[int, int, int]:
    """Rows, their width, 0; a routed row is one of a token's eight experts."""
    return work.tokens * work["rows_per_token"], work["n"], 0


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """Input BF16 (rows, n), output_q e4m3 (rows, n), output_s FP32 (rows, n / 128).

    Scales are row-major for a grouped GEMM and column-major for a plain one.
    """
    rows, n, _ = shape(work)
    groups = n // fp8.GROUP
    return {
        "input": make.normal(rows, n),
        "output_q": make.output(rows, n, dtype="float8_e4m3fn"),
        "output_s": (
            make.output(groups, rows, dtype="float32").T
            if work["column_major"]
            else make.output(rows, groups, dtype="float32")
        ),
    }


def call(op: "Callable[..., None]", args: Tensors) -> Tensors:
    op(
        args["input"],
        args["output_q"],
        args["output_s"],
        fp8.GROUP,
        fp8.SMALLEST_AMAX,
        -fp8.MAX,
        fp8.MAX,
        False,  # noqa: FBT003 -- scales are FP32, not powers of two
        False,  # noqa: FBT003 -- no silu_and_mul before it
        None,  # every row counts
    )
    return {name: args[name] for name in ("output_q", "output_s")}


def reference(_work: Workload, args: Tensors) -> Tensors:
    quantized, scales = fp8.quantize_groups(args["input"])
    return {"output_q": quantized.float(), "output_s": scales}


def canonical(work: Workload, args: Tensors, outputs: Tensors) -> Tensors:
    """Put the reference's code in place of one that is just as near to the value."""
    import torch

    expected = reference(work, args)
    x = args["input"].float()

    def error(codes: "torch.Tensor", scales: "torch.Tensor") -> "torch.Tensor":
        return fp8.dequantize_groups(codes, scales).sub_(x).abs_()

    allowed = error(expected["output_q"], expected["output_s"]).add_(x.abs(), alpha=TIE)
    codes = outputs["output_q"].float()
    is_near = error(codes, outputs["output_s"]) <= allowed
    return outputs | {"output_q": torch.where(is_near, expected["output_q"], codes)}


def cost(work: Workload) -> Cost:
    """An absolute value, a comparison and a multiply an element.

    BF16 in, FP8 and an FP32 scale for 128 of them out.
    """
    rows, n, _ = shape(work)
    return Cost(
        flops={Datapath.FP32: 3 * n * rows},
        bytes_read=2 * n * rows,
        bytes_written=(n + 4 * n // fp8.GROUP) * rows,
    )


def _op(name: str, n: int, *, rows_per_token: int = 1, column_major: bool) -> Op:
    axes = {"n": n, "rows_per_token": rows_per_token, "column_major": int(column_major)}
    return Op(name=name, axes=axes)


KERNEL = Kernel(
    name="sgl_per_token_group_quant_8bit",
    source=Source.SGL_KERNEL,
    category=Category.MOE,
    summary="FP8 operands with a scale for 128 columns",
    dtype="bfloat16",
    ops=(
        # Before shuffle_rows, so a row a token.
        _op("experts", ds.H, column_major=False),
        _op("experts (down)", ds.I, rows_per_token=ds.K, column_major=False),
        _op("hidden", ds.H, column_major=True),
        _op("o_proj", ds.Nh * ds.Dv, column_major=True),
        _op("shared_experts.down", ds.I, column_major=True),
        _op("dense_mlp.down", ds.DENSE_I, column_major=True),
    ),
    min_compute_capability=(8, 9),
    providers=(sgl_kernel("sgl_per_token_group_quant_8bit_v2", call),),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={"output_q": EXACT, "output_s": Tolerance(rtol=1e-5)},
    cost=cost,
    traffic=Traffic(read=("input",), written=("output_q", "output_s")),
    shape=shape,
    canonical=canonical,
    stands_in_for=("scaled_fp4_experts_quant",),
    small_axes={"n": 512},
)
