"""shared_experts_add: the routed experts' sum plus the shared expert's output."""

from functools import partial
from typing import Any

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
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
    """BF16 routed, shared and out, each (tokens, n)."""
    tokens, n = work.tokens, work["n"]
    return {
        "routed": make.normal(tokens, n),
        "shared": make.normal(tokens, n),
        "out": make.output(tokens, n),
    }


def prepare(api: Any, _work: Workload, args: Tensors) -> Run:  # noqa: ANN401 -- loaded symbols
    return partial(add, api.add, args)


def add(op: Any, args: Tensors) -> Tensors:  # noqa: ANN401 -- torch's function
    return {"out": op(args["routed"], args["shared"], out=args["out"])}


def reference(_work: Workload, args: Tensors) -> Tensors:
    return {"out": args["routed"].float() + args["shared"].float()}


def cost(work: Workload) -> Cost:
    """One add an output; BF16 in, twice, and out."""
    elements = work["n"] * work.tokens
    return Cost(
        flops={Datapath.FP32: elements},
        bytes_read=4 * elements,
        bytes_written=2 * elements,
    )


KERNEL = Kernel(
    name="shared_experts_add",
    source=Source.TORCH,
    category=Category.MOE,
    summary="sum of the routed and the shared experts",
    dtype="bfloat16",
    ops=(Op(name="experts", axes={"n": ds.H}),),
    min_compute_capability=(8, 0),
    providers=(
        Provider(
            package="torch",
            distribution="torch",
            symbols=("torch:add",),
            prepare=prepare,
        ),
    ),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={"out": Tolerance(atol=1e-2, rtol=1e-2)},
    cost=cost,
    traffic=Traffic(read=("routed", "shared"), written=("out",)),
)
