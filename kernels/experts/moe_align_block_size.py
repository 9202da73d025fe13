"""moe_align_block_size: sorts the routed tokens by expert, padded to whole blocks.

A fused MoE kernel gives each block of rows to one expert, so every expert's
assignments (numbered token * 8 + slot) are padded to a multiple of the block size
with the number of assignments, which is no assignment's number.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from dsprof.kernels import deepseek as ds
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

if TYPE_CHECKING:
    import torch

# SGLang's Triton fused MoE takes blocks of 64 rows for 128 x 128 scaled FP8 weights
# unless a tuned configuration says otherwise.
BLOCK_ROWS = 64

# One more than there are: the op counts id -1, an expert on another GPU, as well.
COUNTED_EXPERTS = ds.E + 1

OUTPUTS = ("sorted_token_ids", "experts_ids", "num_tokens_post_pad")


def capacity(work: Workload) -> int:
    """Rows that suffice for any routing, in whole blocks.

    Each expert that has a row pads at most one block short of full. The op fills
    four ids at a time, so a length that is no multiple of four would be overrun.
    """
    assignments = work.tokens * ds.K
    if assignments < COUNTED_EXPERTS:
        return assignments * BLOCK_ROWS
    rows = assignments + COUNTED_EXPERTS * (BLOCK_ROWS - 1)
    return -(-rows // BLOCK_ROWS) * BLOCK_ROWS


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """topk_ids (tokens, 8), scratch, and the three outputs, all int32.

    sorted_token_ids (capacity), experts_ids (capacity / 64), num_tokens_post_pad (1).
    """
    rows = capacity(work)
    return {
        "topk_ids": make.expert_ids(work.tokens, ds.E, ds.K),
        "sorted_token_ids": make.output(rows, dtype="int32"),
        "experts_ids": make.output(rows // BLOCK_ROWS, dtype="int32"),
        "num_tokens_post_pad": make.output(1, dtype="int32"),
        "cumsum_buffer": make.zeros(COUNTED_EXPERTS + 1, dtype="int32"),
    }


def call(op: Callable[..., None], args: Tensors) -> Tensors:
    outputs = {name: args[name] for name in OUTPUTS}
    op(
        args["topk_ids"],
        num_experts=COUNTED_EXPERTS,
        block_size=BLOCK_ROWS,
        **outputs,
        cumsum_buffer=args["cumsum_buffer"],
        pad_sorted_token_ids=True,
    )
    return outputs


def reference(work: Workload, args: Tensors) -> Tensors:
    import torch

    experts = args["topk_ids"].flatten().long()
    assignments = experts.numel()
    order = experts.argsort(stable=True)
    first_row, end_row = _row_ranges(experts)
    counts = torch.bincount(experts, minlength=ds.E)
    first_assignment = counts.cumsum(0) - counts
    sorted_experts = experts[order]
    rank = torch.arange(assignments, device=experts.device)
    rank -= first_assignment[sorted_experts]
    rows = torch.full((capacity(work),), assignments, device=experts.device)
    rows[first_row[sorted_experts] + rank] = order
    outputs = {
        "sorted_token_ids": rows,
        "experts_ids": _expert_of_row(work, end_row)[::BLOCK_ROWS],
        "num_tokens_post_pad": end_row[-1:],
    }
    return {name: output.int() for name, output in outputs.items()}


def canonical(work: Workload, args: Tensors, outputs: Tensors) -> Tensors:
    """Sort the ids within each expert's rows; the op leaves that order open.

    experts_ids beyond the last used block is not written, so it becomes -1. Where
    the experts' rows are comes from topk_ids, never from the outputs.
    """
    import torch

    experts = args["topk_ids"].flatten().long()
    assignments = experts.numel()
    _, end_row = _row_ranges(experts)
    expert_of_row = _expert_of_row(work, end_row)
    # Ids that do not exist become -1 or one beyond the padding: wrong, and sortable.
    ids = outputs["sorted_token_ids"].long().clamp(-1, assignments + 1)
    keys = (expert_of_row * (assignments + 3) + ids + 1).sort().values
    is_used = expert_of_row[::BLOCK_ROWS] < ds.E
    return outputs | {
        "sorted_token_ids": keys % (assignments + 3) - 1,
        "experts_ids": torch.where(is_used, outputs["experts_ids"], -1),
    }


def _row_ranges(experts: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
    """First row of each expert, and the row after its last block."""
    import torch

    counts = torch.bincount(experts, minlength=ds.E)
    padded = (counts + BLOCK_ROWS - 1) // BLOCK_ROWS * BLOCK_ROWS
    end_row = padded.cumsum(0)
    return end_row - padded, end_row


def _expert_of_row(work: Workload, end_row: "torch.Tensor") -> "torch.Tensor":
    """Return the expert that each row belongs to; 256 beyond the last block."""
    import torch

    rows = torch.arange(capacity(work), device=end_row.device)
    return torch.bucketize(rows, end_row, right=True)


def cost(work: Workload) -> Cost:
    """No FLOP. int32: 8 ids a token in; the whole padded list and its blocks out.

    The op pads the list to its capacity, not just to the used blocks. How many
    blocks are used depends on the routing, so experts_ids counts in full.
    """
    rows = capacity(work)
    return Cost(
        bytes_read=4 * ds.K * work.tokens,
        bytes_written=4 * (rows + rows // BLOCK_ROWS + 1),
    )


KERNEL = Kernel(
    name="moe_align_block_size",
    source=Source.SGL_KERNEL,
    category=Category.MOE,
    summary="expert-sorted token list in whole blocks",
    dtype="int32",
    ops=(Op(name="experts", axes={"n": ds.K}),),
    min_compute_capability=(8, 0),
    providers=(sgl_kernel("moe_align_block_size", call),),
    make_inputs=make_inputs,
    reference=reference,
    tolerance=dict.fromkeys(OUTPUTS, EXACT),
    cost=cost,
    traffic=Traffic(
        read=("topk_ids",),
        written=("sorted_token_ids", "experts_ids", "num_tokens_post_pad"),
    ),
    canonical=canonical,
)
