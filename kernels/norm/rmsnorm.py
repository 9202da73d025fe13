"""rmsnorm: each row over its root mean square, times a weight."""

from collections.abc import Callable

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels.providers import sgl_kernel
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


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """Input (tokens, n) with the op's row stride, weight (n), out (tokens, n).

    q_a and kv_a are column ranges of the fused_qkv_a output, so their rows are
    2112 apart.
    """
    n, start = work["n"], work["first_column"]
    rows = make.normal(work.tokens, work["row_stride"])
    return {
        "input": rows[:, start : start + n],
        "weight": make.normal(n),
        "out": make.output(work.tokens, n),
    }


def call(op: Callable[..., None], args: Tensors) -> Tensors:
    op(args["out"], args["input"], args["weight"], eps=ds.RMS_EPS, enable_pdl=False)
    return {"out": args["out"]}


def reference(_work: Workload, args: Tensors) -> Tensors:
    x = args["input"].float()
    inverse_rms = (x.square().mean(-1, keepdim=True) + ds.RMS_EPS).rsqrt()
    return {"out": x * inverse_rms * args["weight"].float()}


def cost(work: Workload) -> Cost:
    """Per row n squares, n adds, 2n multiplies, and the mean, epsilon and rsqrt."""
    tokens, n = work.tokens, work["n"]
    return Cost(
        flops={Datapath.FP32: (4 * n + 3) * tokens},
        bytes_read=2 * n * tokens + 2 * n,
        bytes_written=2 * n * tokens,
    )


KERNEL = Kernel(
    name="rmsnorm",
    source=Source.SGL_KERNEL,
    category=Category.NORM,
    summary="RMS norm over rows",
    dtype="bfloat16",
    ops=(
        Op(
            name="input_layernorm",
            axes={"n": ds.H, "row_stride": ds.H, "first_column": 0},
        ),
        Op(
            name="q_a_layernorm",
            axes={"n": ds.Lq, "row_stride": ds.QKV_A, "first_column": 0},
        ),
        Op(
            name="kv_a_layernorm",
            axes={"n": ds.Lkv, "row_stride": ds.QKV_A, "first_column": ds.Lq},
        ),
    ),
    min_compute_capability=(8, 0),
    providers=(sgl_kernel("rmsnorm", call),),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={"out": Tolerance(atol=1e-2, rtol=1e-2)},
    cost=cost,
    traffic=Traffic(read=("input", "weight"), written=("out",)),
)
