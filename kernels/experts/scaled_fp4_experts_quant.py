"""scaled_fp4_experts_quant: the routed rows to NVFP4, each by its expert's scale.

The block scales of each expert fill tiles of their own, so its rows begin at a multiple
of 128 in the scale tensor.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from dsprof.harness.device import Datapath
from dsprof.kernels import deepseek as ds
from dsprof.kernels import nvfp4
from dsprof.kernels.providers import python_function
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

# The function allocates scales for 65536 tokens at each call, whatever it is given
# (MODELOPT_MAX_TOKENS_PER_EXPERT changes that).
SCALE_ROWS = 65536 * ds.K

# A code this much farther from the value, relative to it, than the nearest is a tie
# that FP32 rounding decided.
TIE = 1e-5


def shape(work: Workload) -> tuple[int, int, int]:
    """Rows, their width, 0; there is a row for each of a token's eight experts."""
    return work.tokens * ds.K, work["n"], 0


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """BF16 input, int32 expert_map, and a scale and the offsets of every expert.

    With ``mapped``, input is (tokens, n) and expert_map (tokens * 8) has the token of
    each row, sorted by expert. Without, input is (tokens * 8, n), already sorted, and
    expert_map is empty. input_global_scale is FP32 (experts). expert_offsets and
    blockscale_offsets, int32 (experts + 1), are each expert's first row, in the input
    and among the scales.
    """
    import torch

    rows, n, _ = shape(work)
    experts = work["experts"]
    ids = make.expert_ids(work.tokens, experts, ds.K).flatten()
    counts = torch.zeros(experts + 1, dtype=torch.int64, device=ids.device)
    counts.index_add_(0, ids + 1, torch.ones_like(ids, dtype=torch.int64))
    tiles = (counts + nvfp4.TILE_ROWS - 1) // nvfp4.TILE_ROWS
    tokens_by_expert = (ids.argsort(stable=True) // ds.K).int()
    x = make.normal(work.tokens if work["mapped"] else rows, n)
    return {
        "input": x,
        "input_global_scale": _global_scales(x, experts),
        "expert_offsets": counts.cumsum(0).int(),
        "blockscale_offsets": (tiles * nvfp4.TILE_ROWS).cumsum(0).int(),
        "expert_map": tokens_by_expert if work["mapped"] else tokens_by_expert[:0],
    }


def _global_scales(x: "torch.Tensor", experts: int) -> "torch.Tensor":
    """Scales calibrated on more than ``x``, and on not the same for every expert."""
    import torch

    headroom = 1 + torch.arange(experts, device=x.device) % 4 / 4
    return nvfp4.global_scale(x) / headroom


def call(function: "Callable[..., tuple[torch.Tensor, ...]]", args: Tensors) -> Tensors:
    packed, scales = function(
        args["input"],
        args["input_global_scale"],
        args["expert_offsets"],
        args["blockscale_offsets"],
        ds.K,
        expert_map=args["expert_map"] if args["expert_map"].numel() else None,
    )
    return {"packed": packed, "scales": scales}


def reference(_work: Workload, args: Tensors) -> Tensors:
    import torch

    rows, global_scales = _rows(args)
    packed, scales, _ = nvfp4.quantize(rows, global_scales)
    padded = torch.zeros(
        SCALE_ROWS, scales.shape[1], dtype=torch.uint8, device=scales.device
    )
    padded[_scale_rows(args)] = scales.view(torch.uint8)
    swizzled = nvfp4.swizzle(padded.view(scales.dtype))
    return {"packed": packed, "scales": swizzled.float()}


def _rows(args: Tensors) -> "tuple[torch.Tensor, torch.Tensor]":
    """FP32 rows (rows, n) sorted by expert, and their global scales (rows, 1)."""
    x = args["input"]
    if args["expert_map"].numel():
        x = x[args["expert_map"].long()]
    counts = args["expert_offsets"].diff()
    scales = args["input_global_scale"].repeat_interleave(counts)
    return x.float(), scales.unsqueeze(-1)


def _scale_rows(args: Tensors) -> "torch.Tensor":
    return nvfp4.padded_row_of(args["expert_offsets"].diff())


def canonical(_work: Workload, args: Tensors, outputs: Tensors) -> Tensors:
    """Decode both, leave the padding out, and settle ties as the reference does.

    A code counts as the reference's if it is as near to the value as any, by the scale
    that the kernel chose itself: one step in that scale moves every code of a block.
    """
    import torch

    rows, global_scales = _rows(args)
    nearest, _, _ = nvfp4.quantize(rows, global_scales)
    columns = rows.shape[1] // nvfp4.BLOCK
    swizzled = outputs["scales"].to(torch.float8_e4m3fn)
    padded = nvfp4.unswizzle(swizzled, SCALE_ROWS, columns)
    scales = padded.view(torch.uint8)[_scale_rows(args)].view(padded.dtype).float()
    inverse = torch.where(scales == 0, 0.0, global_scales / scales)
    values = rows * inverse.repeat_interleave(nvfp4.BLOCK, dim=1)
    codes = nvfp4.decode(outputs["packed"])
    allowed = (nvfp4.decode(nvfp4.pack(nvfp4.encode(values))) - values).abs()
    allowed += TIE * values.abs()
    is_near = (codes - values).abs() <= allowed
    return {
        "packed": torch.where(is_near, nvfp4.decode(nearest), codes),
        "scales": scales,
    }


def cost(work: Workload) -> Cost:
    """An absolute value, a comparison and a multiply an element of the routed rows.

    BF16 in, once a token where a map repeats them, and the int32 map; half a byte a
    code and a scale for 16 of them out. The experts' offsets and scales, 3 KB, and
    scales that only pad a tile are not counted.
    """
    rows, n, _ = shape(work)
    read = 2 * n * work.tokens + 4 * rows if work["mapped"] else 2 * n * rows
    return Cost(
        flops={Datapath.FP32: 3 * n * rows},
        bytes_read=read,
        bytes_written=written_bytes(work),
    )


def written_bytes(work: Workload) -> int:
    rows, n, _ = shape(work)
    return (n // 2 + n // nvfp4.BLOCK) * rows


KERNEL = Kernel(
    name="scaled_fp4_experts_quant",
    source=Source.SGL_KERNEL,
    category=Category.MOE,
    summary="NVFP4 operands of the routed experts",
    dtype="bfloat16",
    ops=(
        Op(name="experts", axes={"experts": ds.E, "n": ds.H, "mapped": 1}),
        Op(name="experts (down)", axes={"experts": ds.E, "n": ds.I, "mapped": 0}),
    ),
    min_compute_capability=(10, 0),  # the first that converts to FP4
    providers=(
        python_function(
            "sgl_kernel:scaled_fp4_experts_quant", call, distribution="sgl-kernel"
        ),
        python_function(
            "sglang.jit_kernel.nvfp4:scaled_fp4_experts_quant",
            call,
            distribution="sglang",
        ),
    ),
    make_inputs=make_inputs,
    reference=reference,
    # A scale may be off by one step of e4m3, at most an eighth of it.
    tolerance={"packed": EXACT, "scales": Tolerance(atol=2e-3, rtol=0.13)},
    cost=cost,
    traffic=Traffic(
        read=("input", "expert_map"), written=(), allocated_bytes=written_bytes
    ),
    shape=shape,
    canonical=canonical,
    small_axes={"experts": 12, "n": 128},
)
