"""fused_moe_kernel: a GEMM an expert in Triton, over rows where they lie.

Rows are gathered and written by the list of moe_align_block_size, so nothing is
sorted or permuted in memory. The device code is dsprof's own: ``_fused_moe_kernel``,
and for many rows of FP8 on Hopper ``_fused_moe_wgmma``.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from dsprof.harness.device import Datapath
from dsprof.kernels import (
    blocks,
    fp8,
    grouped,
    moe_configs,
    moe_gemm,
    moe_wgmma,
    routed,
)
from dsprof.kernels import deepseek as ds
from dsprof.kernels.moe_configs import GemmConfig, Implementation, MoeConfig
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

FP8, BF16 = "float8_e4m3fn", "bfloat16"

# Rows of a block, for so many rows an expert at most. Few rows are a matter of reading
# weights: small blocks waste no arithmetic on padding. With FP8, Hopper's GEMM pairs
# blocks of 64.
BLOCK_ROWS = {
    FP8: ((16, 16), (math.inf, 64)),
    BF16: ((16, 16), (128, 64), (math.inf, 128)),
}


def rows_per_expert(work: Workload) -> float:
    return grouped.assignments(work) / work["experts"]


def block_rows(work: Workload) -> int:
    """Rows of a block of the list, which is the same on every GPU."""
    rows = rows_per_expert(work)
    return next(size for most, size in BLOCK_ROWS[dtype(work)] if rows <= most)


def config_for(work: Workload, device: "torch.device") -> MoeConfig:
    """The configuration that was tuned for such blocks and rows."""
    gate_up = not is_weighted(work)
    shape = moe_configs.Shape(
        dtype=dtype(work),
        experts=work["experts"],
        hidden=work["k"] if gate_up else work["n"],
        intermediate=work["n"] // 2 if gate_up else work["k"],
    )
    return moe_configs.find(
        moe_configs.of_blocks(moe_configs.load(), block_rows(work)),
        gpu=moe_configs.gpu_name(device),
        shape=shape,
        rows_per_expert=rows_per_expert(work),
    )


def dtype(work: Workload) -> str:
    return FP8 if is_fp8(work) else BF16


def is_fp8(work: Workload) -> bool:
    return work["element_bytes"] == 1


def is_weighted(work: Workload) -> bool:
    """Whether outputs are multiplied by the routing weights: those of the second GEMM.

    Its rows are the assignments' own, while those of the first are the tokens'.
    """
    return work["assignments_per_row"] == 1


def list_rows(work: Workload) -> int:
    return blocks.capacity(grouped.assignments(work), work["experts"], block_rows(work))


def rows_in_use(work: Workload) -> int:
    """Rows of the list up to the last expert's last block."""
    size = block_rows(work)
    counts = routed.rows_per_expert(work.tokens, work["experts"], work["top_k"])
    return int((-(-counts // size)).sum()) * size


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """Make a (rows, k), b (experts, n, k), BF16 out (tokens * 8, n) and the row list.

    Rows of a are the tokens of the first GEMM and the assignments of the second. FP8
    operands have scales, one in 128 columns of a and one in 128 x 128 of b; BF16 ones
    have none, and get a tensor of one element.
    """
    experts, n, k = work["experts"], work["n"], work["k"]
    assignments = grouped.assignments(work)
    rows = assignments // work["assignments_per_row"]
    if is_fp8(work):
        a, a_scales = grouped.fp8_rows(make, rows, k)
        b, b_scales = grouped.fp8_weights(make, experts, n, k)
    else:
        a, b = make.normal(rows, k).mul_(k**-0.5), make.normal(experts, n, k)
        a_scales = b_scales = make.zeros(1, dtype="float32")
    topk_ids = grouped.expert_ids(work, make)
    sorted_token_ids, expert_ids, in_use = blocks.align(
        topk_ids, experts, block_rows(work), list_rows(work)
    )
    return {
        "a": a,
        "a_scales": a_scales,
        "b": b,
        "b_scales": b_scales,
        "topk_ids": topk_ids,
        "topk_weights": grouped.topk_weights(work, make),
        "sorted_token_ids": sorted_token_ids,
        "expert_ids": expert_ids,
        "num_tokens_post_padded": in_use,
        "out": make.output(assignments, n),
    }


def prepare(api: Any, work: Workload, args: Tensors) -> Run:  # noqa: ANN401 -- loaded symbols
    config = config_for(work, args["a"].device)
    call = IMPLEMENTATIONS[config.implementation](
        api,
        moe_gemm.Operands(
            **{name: args[name] for name in ("a", "a_scales", "b", "b_scales")}
        ),
        moe_gemm.RowList(
            block_rows=block_rows(work),
            sorted_token_ids=args["sorted_token_ids"],
            expert_ids=args["expert_ids"],
            num_tokens_post_padded=args["num_tokens_post_padded"],
        ),
        config.down if is_weighted(work) else config.gate_up,
        args["out"],
        is_weighted=is_weighted(work),
    )

    def run() -> Tensors:
        call(args["topk_weights"])
        return {"out": args["out"]}

    return run


def _portable(
    api: Any,  # noqa: ANN401 -- loaded symbols
    *arguments: Any,  # noqa: ANN401 -- as moe_gemm.bind_gemm takes them
    is_weighted: bool,
) -> "Callable[[torch.Tensor], object]":
    return moe_gemm.bind_gemm(api.fused_moe, *arguments, is_weighted=is_weighted)


def _wgmma(  # noqa: PLR0913 -- what a GEMM is
    api: Any,  # noqa: ANN401 -- loaded symbols
    operands: moe_gemm.Operands,
    rows: moe_gemm.RowList,
    config: GemmConfig,
    out: "torch.Tensor",
    *,
    is_weighted: bool,
) -> "Callable[[torch.Tensor], object]":
    """Bind the GEMM behind the list of its tiles, which both of a layer's share."""
    tiles = moe_wgmma.make_tiles(rows)
    pair = moe_wgmma.bind_pairing(api.pair_blocks, rows, tiles)
    gemm = moe_wgmma.bind_gemm(
        api.fused_moe_wgmma,
        operands,
        rows,
        tiles,
        config,
        out,
        is_weighted=is_weighted,
    )

    def call(topk_weights: "torch.Tensor") -> object:
        pair()
        return gemm(topk_weights)

    return call


IMPLEMENTATIONS: dict[Implementation, Callable[..., Any]] = {
    Implementation.PORTABLE: _portable,
    Implementation.WGMMA: _wgmma,
}


def reference(work: Workload, args: Tensors) -> Tensors:
    """From the ids themselves, so that a wrong row list shows as well."""
    import torch

    order, first_rows = grouped.by_expert(args["topk_ids"], work["experts"])
    row_of = order // work["assignments_per_row"]
    sorted_out = grouped.matmul(
        lambda mine: _rows(work, args, row_of[mine]),
        lambda expert: _weight(work, args, expert),
        first_rows,
    )
    if is_weighted(work):
        sorted_out *= args["topk_weights"].flatten()[order, None]
    out = torch.empty_like(sorted_out)
    out[order] = sorted_out
    return {"out": out}


def _rows(work: Workload, args: Tensors, rows: "torch.Tensor") -> "torch.Tensor":
    if is_fp8(work):
        return fp8.dequantize_groups(args["a"][rows], args["a_scales"][rows])
    return args["a"][rows].float()


def _weight(work: Workload, args: Tensors, expert: int) -> "torch.Tensor":
    if is_fp8(work):
        return fp8.dequantize_blocks(args["b"][expert], args["b_scales"][expert])
    return args["b"][expert].float()


def cost(work: Workload) -> Cost:
    """Per assignment 2nk FLOP and a BF16 row out; rows in and busy experts' weights.

    FP8 rows and weights count with their scales. Of the int32 list, the rows in use,
    an expert a block and the count are read; the second GEMM reads an FP32 weight an
    assignment. Multiplying by it is left out of the FLOP, as are padding rows.
    """
    assignments, n, k = grouped.shape(work)
    row_bytes, weight_bytes = 2 * k, 2 * n * k
    if is_fp8(work):
        row_bytes = grouped.fp8_row_bytes(k)
        weight_bytes = grouped.fp8_weight_bytes(n, k)
    in_use = rows_in_use(work)
    lists = 4 * (in_use + in_use // block_rows(work) + 1)
    if is_weighted(work):
        lists += 4 * assignments
    rows = assignments // work["assignments_per_row"]
    datapath = Datapath.FP8_TENSOR if is_fp8(work) else Datapath.BF16_TENSOR
    return Cost(
        flops={datapath: 2 * n * k * assignments},
        bytes_read=grouped.distinct_experts(work) * weight_bytes
        + rows * row_bytes
        + lists,
        bytes_written=2 * n * assignments,
    )


def _share_in_use(work: Workload) -> Fraction:
    return Fraction(rows_in_use(work), list_rows(work))


SHARES = {
    "a_scales": lambda work: Fraction(is_fp8(work)),
    "b": grouped.busy_share,
    "b_scales": lambda work: grouped.busy_share(work) * is_fp8(work),
    "topk_weights": lambda work: Fraction(is_weighted(work)),
    "sorted_token_ids": _share_in_use,
    "expert_ids": _share_in_use,
}

ROUTING = {"experts": ds.E, "top_k": ds.K}
GATE_UP = {"n": 2 * ds.I, "k": ds.H, "assignments_per_row": ds.K, **ROUTING}
DOWN = {"n": ds.H, "k": ds.I, "assignments_per_row": 1, **ROUTING}

KERNEL = Kernel(
    name="fused_moe_kernel",
    source=Source.TRITON,
    category=Category.MOE,
    summary="grouped GEMM of the experts over gathered rows",
    dtype=FP8,
    ops=(
        Op(name="experts (gate_up)", axes={**GATE_UP, "element_bytes": 1}),
        Op(name="experts (down)", axes={**DOWN, "element_bytes": 1}),
        # Not by default: the model's experts are quantised, and 28 points of 15 GB of
        # BF16 weights take as long as a third of the other kernels together.
        Op(
            name="experts (gate_up) bf16",
            axes={**GATE_UP, "element_bytes": 2},
            dtype=BF16,
            on_request=True,
        ),
        Op(
            name="experts (down) bf16",
            axes={**DOWN, "element_bytes": 2},
            dtype=BF16,
            on_request=True,
        ),
    ),
    min_compute_capability=(8, 9),  # FP8; BF16 alone would run from 8.0 on
    providers=(
        Provider(
            package="triton",
            distribution="triton",
            symbols=(
                "dsprof.kernels.experts._fused_moe_kernel:fused_moe",
                "dsprof.kernels.experts._pair_blocks:pair_blocks",
                "dsprof.kernels.experts._fused_moe_wgmma:fused_moe_wgmma",
            ),
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
        read=("a", "num_tokens_post_padded", *SHARES),
        written=("out",),
        share=SHARES,
    ),
    shape=grouped.shape,
    small_axes={"experts": 16, "n": 256, "k": 256},
)
