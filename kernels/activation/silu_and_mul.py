"""silu_and_mul: SwiGLU's product, silu(gate) * up."""

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


def shape(work: Workload) -> tuple[int, int, int]:
    """Rows, outputs a row, 0: routed experts have one row a token and expert."""
    return work.tokens * work["rows_per_token"], work["n"], 0


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """Input (rows, 2n) with the gate in its first half, out (rows, n)."""
    rows, n, _ = shape(work)
    return {"input": make.normal(rows, 2 * n), "out": make.output(rows, n)}


def call(op: Callable[..., None], args: Tensors) -> Tensors:
    op(args["out"], args["input"])
    return {"out": args["out"]}


def reference(_work: Workload, args: Tensors) -> Tensors:
    gate, up = args["input"].chunk(2, dim=-1)
    gate = gate.float()
    return {"out": gate * gate.sigmoid() * up.float()}


def cost(work: Workload) -> Cost:
    """Per output 4 FLOP (exp, add, divide, multiply); two BF16 in, one out."""
    rows, n, _ = shape(work)
    return Cost(
        flops={Datapath.FP32: 4 * n * rows},
        bytes_read=2 * 2 * n * rows,
        bytes_written=2 * n * rows,
    )


KERNEL = Kernel(
    name="silu_and_mul",
    source=Source.SGL_KERNEL,
    category=Category.ACTIVATION,
    summary="SwiGLU activation",
    dtype="bfloat16",
    ops=(
        Op(name="act_fn", axes={"n": ds.I, "rows_per_token": ds.K}),
        Op(name="shared_experts.act_fn", axes={"n": ds.I, "rows_per_token": 1}),
        Op(name="dense_mlp.act_fn", axes={"n": ds.DENSE_I, "rows_per_token": 1}),
    ),
    min_compute_capability=(8, 0),
    providers=(sgl_kernel("silu_and_mul", call),),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={"out": Tolerance(atol=1e-2, rtol=1e-2)},
    cost=cost,
    traffic=Traffic(read=("input",), written=("out",)),
    shape=shape,
)
