"""bmm_fp8: one FP8 matrix product a head, scaled per tensor, to BF16."""

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
    gemm_shape,
)

# What sgl_kernel's own Python function gives cuBLASLt.
WORKSPACE_BYTES = 32 * 1024 * 1024

# Any scales but 1, so that a kernel that forgets one is seen. With standard-normal
# operands, outputs are then of order 1 for the k of both ops.
SCALE_A = 0.25
SCALE_B = 0.1


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """FP8 a (heads, tokens, k) and b (heads, k, n), BF16 out (heads, tokens, n).

    The op takes no strides. It reads a as contiguous: in the model the quantisation
    before it writes that layout, from a (tokens, heads, k) tensor. It reads b as
    column-major: b is the transposed view of a contiguous (heads, n, k).
    """
    heads, tokens, n, k = work["heads"], work.tokens, work["n"], work["k"]
    return {
        "a": make.normal(heads, tokens, k, dtype="float8_e4m3fn"),
        "b": make.normal(heads, n, k, dtype="float8_e4m3fn").transpose(1, 2),
        "scale_a": make.zeros(1, dtype="float32") + SCALE_A,
        "scale_b": make.zeros(1, dtype="float32") + SCALE_B,
        "workspace": make.zeros(WORKSPACE_BYTES, dtype="uint8"),
        "out": make.output(heads, tokens, n),
    }


def call(op: Callable[..., None], args: Tensors) -> Tensors:
    import torch

    op(
        args["a"],
        args["b"],
        args["out"],
        args["scale_a"],
        args["scale_b"],
        args["workspace"],
        # The handle is the calling thread's, so it is asked for at the call.
        torch.cuda.current_blas_handle(),
    )
    return {"out": args["out"]}


def reference(_work: Workload, args: Tensors) -> Tensors:
    product = args["a"].float() @ args["b"].float()
    return {"out": product.mul_(args["scale_a"] * args["scale_b"])}


def cost(work: Workload) -> Cost:
    """Per head 2nk FLOP a token; FP8 operands and BF16 outputs, each once.

    The two scales, 8 bytes a call, are not counted.
    """
    heads = work["heads"]
    tokens, n, k = gemm_shape(work)
    return Cost(
        flops={Datapath.FP8_TENSOR: 2 * n * k * tokens * heads},
        bytes_read=(n * k + k * tokens) * heads,
        bytes_written=2 * n * tokens * heads,
    )


KERNEL = Kernel(
    name="bmm_fp8",
    source=Source.SGL_KERNEL,
    category=Category.BMM,
    summary="batched FP8 GEMM of absorbed attention",
    dtype="float8_e4m3fn",
    ops=(
        Op(name="q_nope * w_kc", axes={"heads": ds.Nh, "n": ds.Lkv, "k": ds.Dn}),
        Op(name="attn * w_vc", axes={"heads": ds.Nh, "n": ds.Dv, "k": ds.Lkv}),
    ),
    min_compute_capability=(8, 9),
    providers=(sgl_kernel("bmm_fp8", call),),
    make_inputs=make_inputs,
    reference=reference,
    tolerance={"out": Tolerance(atol=1e-2, rtol=1e-2)},
    cost=cost,
    traffic=Traffic(read=("a", "b"), written=("out",)),
    shape=gemm_shape,
)
