"""moe_align_block_size: sorts the routed tokens by expert, padded to whole blocks.

A fused MoE kernel gives each block of rows to one expert (``kernels/blocks.py``).
"""

from collections.abc import Callable

from dsprof.kernels import blocks
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

# SGLang's Triton fused MoE takes blocks of 64 rows for 128 x 128 scaled FP8 weights
# unless a tuned configuration says otherwise.
BLOCK_ROWS = 64

# One more than there are: the op counts id -1, an expert on another GPU, as well.
COUNTED_EXPERTS = ds.E + 1

OUTPUTS = ("sorted_token_ids", "experts_ids", "num_tokens_post_pad")


def capacity(work: Workload) -> int:
    """Rows of the list. The op fills four at a time, and this is a multiple of it."""
    return blocks.capacity(work.tokens * ds.K, COUNTED_EXPERTS, BLOCK_ROWS)


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
    aligned = blocks.align(args["topk_ids"], ds.E, BLOCK_ROWS, capacity(work))
    return dict(zip(OUTPUTS, aligned, strict=True))


def canonical(work: Workload, args: Tensors, outputs: Tensors) -> Tensors:
    """Sort the ids within each expert's rows; the op leaves that order open.

    experts_ids beyond the last used block is not written, so it becomes -1. Where
    the experts' rows are comes from topk_ids, never from the outputs.
    """
    import torch

    experts = args["topk_ids"].flatten().long()
    assignments = experts.numel()
    _, end_row = blocks.ranges(experts, ds.E, BLOCK_ROWS)
    expert_of_row = blocks.expert_of_row(capacity(work), end_row)
    # Ids that do not exist become -1 or one beyond the padding: wrong, and sortable.
    ids = outputs["sorted_token_ids"].long().clamp(-1, assignments + 1)
    keys = (expert_of_row * (assignments + 3) + ids + 1).sort().values
    is_used = expert_of_row[::BLOCK_ROWS] < ds.E
    return outputs | {
        "sorted_token_ids": keys % (assignments + 3) - 1,
        "experts_ids": torch.where(is_used, outputs["experts_ids"], -1),
    }


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
