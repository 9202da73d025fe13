"""shuffle_rows: copies each token's row to where its experts read it."""

from collections.abc import Callable

from dsprof.kernels import deepseek as ds
from dsprof.kernels.fp8 import GROUP
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
    Traffic,
    Workload,
)

DTYPES = {1: "float8_e4m3fn", 4: "float32"}  # by the bytes of an element


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """Input (tokens, n), int32 dst2src_map (tokens * 8), output (tokens * 8, n).

    Row i of the output is row dst2src_map[i] of the input: the token of the i-th
    assignment in the order of the experts.
    """
    tokens, n, top_k = work.tokens, work["n"], work["top_k"]
    dtype = DTYPES[work["element_bytes"]]
    experts = make.expert_ids(tokens, work["experts"], top_k).flatten()
    return {
        "input": make.normal(tokens, n, dtype=dtype),
        "dst2src_map": (experts.argsort(stable=True) // top_k).int(),
        "output": make.output(tokens * top_k, n, dtype=dtype),
    }


def call(op: Callable[..., None], args: Tensors) -> Tensors:
    op(args["input"], args["dst2src_map"], args["output"])
    return {"output": args["output"]}


def reference(_work: Workload, args: Tensors) -> Tensors:
    return {"output": args["input"].float()[args["dst2src_map"].long()]}


def cost(work: Workload) -> Cost:
    """No FLOP. Each token's row is read once and written for each of its experts."""
    row_bytes = work["element_bytes"] * work["n"]
    rows = work.tokens * work["top_k"]
    return Cost(
        bytes_read=row_bytes * work.tokens + 4 * rows, bytes_written=row_bytes * rows
    )


ROUTING = {"experts": ds.E, "top_k": ds.K}

KERNEL = Kernel(
    name="shuffle_rows",
    source=Source.SGL_KERNEL,
    category=Category.MOE,
    summary="rows of the tokens in the order of their experts",
    dtype="float8_e4m3fn",
    ops=(
        Op(name="experts", axes={"n": ds.H, "element_bytes": 1, **ROUTING}),
        Op(
            name="experts (scales)",
            axes={"n": ds.H // GROUP, "element_bytes": 4, **ROUTING},
            dtype="float32",
            note="the scales of the same rows, one in 128 columns",
        ),
    ),
    min_compute_capability=(8, 0),
    providers=(sgl_kernel("shuffle_rows", call),),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={"output": EXACT},
    cost=cost,
    traffic=Traffic(read=("input", "dst2src_map"), written=("output",)),
)
