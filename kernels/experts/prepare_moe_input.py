"""prepare_moe_input: sorts the routed tokens by expert, for a grouped GEMM.

An assignment is one (token, slot) pair, numbered token * 8 + slot. The outputs are
where each expert's rows begin, the GEMM sizes an expert, and the permutation between
assignments and rows in both directions.
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

# Block-scale tensors are laid out in tiles of this many rows, so each expert's
# share of one begins at a multiple of it.
SCALE_TILE_ROWS = 128

OUTPUTS = (
    "expert_offsets",
    "blockscale_offsets",
    "problem_sizes1",
    "problem_sizes2",
    "input_permutation",
    "output_permutation",
)


def make_inputs(work: Workload, make: TensorMaker) -> Tensors:
    """topk_ids (tokens, 8) and the six outputs, all int32.

    The offsets are (257), the problem sizes (256, 3) as (m, n, k) of the up and the
    down projection, the permutations (tokens * 8).
    """
    assignments = work.tokens * ds.K
    return {
        "topk_ids": make.expert_ids(work.tokens, ds.E, ds.K),
        "expert_offsets": make.output(ds.E + 1, dtype="int32"),
        "blockscale_offsets": make.output(ds.E + 1, dtype="int32"),
        "problem_sizes1": make.output(ds.E, 3, dtype="int32"),
        "problem_sizes2": make.output(ds.E, 3, dtype="int32"),
        "input_permutation": make.output(assignments, dtype="int32"),
        "output_permutation": make.output(assignments, dtype="int32"),
    }


def call(op: Callable[..., None], args: Tensors) -> Tensors:
    outputs = {name: args[name] for name in OUTPUTS}
    op(args["topk_ids"], **outputs, num_experts=ds.E, n=ds.I, k=ds.H)
    return outputs


def reference(_work: Workload, args: Tensors) -> Tensors:
    import torch

    experts = args["topk_ids"].flatten().long()
    rows_per_expert = torch.bincount(experts, minlength=ds.E)
    assignment_at_row = experts.argsort(stable=True)
    row_of_assignment = torch.empty_like(assignment_at_row)
    row_of_assignment[assignment_at_row] = torch.arange(
        experts.numel(), device=experts.device
    )
    tiles = (rows_per_expert + SCALE_TILE_ROWS - 1) // SCALE_TILE_ROWS
    outputs = {
        "expert_offsets": _offsets(rows_per_expert),
        "blockscale_offsets": _offsets(tiles * SCALE_TILE_ROWS),
        "problem_sizes1": _problem_sizes(rows_per_expert, n=2 * ds.I, k=ds.H),
        "problem_sizes2": _problem_sizes(rows_per_expert, n=ds.H, k=ds.I),
        "input_permutation": assignment_at_row // ds.K,
        "output_permutation": row_of_assignment,
    }
    return {name: output.int() for name, output in outputs.items()}


def canonical(_work: Workload, args: Tensors, outputs: Tensors) -> Tensors:
    """Restate both permutations so that the order within an expert drops out.

    output_permutation becomes the sorted rows of expert 0's assignments, then of
    expert 1's, and so on: 0, 1, 2, ... if every expert fills exactly its range.
    input_permutation becomes the token that is fetched for each assignment.
    """
    import torch

    experts = args["topk_ids"].flatten().long()
    assignments = experts.numel()
    rows = outputs["output_permutation"].long()
    # Rows that do not exist become -1 or the number of rows: wrong, and sortable.
    rows = rows.clamp(-1, assignments)
    keys = (experts * (assignments + 2) + rows + 1).sort().values
    exists = (rows >= 0) & (rows < assignments)
    tokens = outputs["input_permutation"][rows.clamp(0, assignments - 1)]
    return outputs | {
        "input_permutation": torch.where(exists, tokens, -1),
        "output_permutation": keys % (assignments + 2) - 1,
    }


def _offsets(sizes: "torch.Tensor") -> "torch.Tensor":
    """0, then the running sum."""
    import torch

    return torch.nn.functional.pad(sizes.cumsum(0), (1, 0))


def _problem_sizes(m: "torch.Tensor", n: int, k: int) -> "torch.Tensor":
    import torch

    return torch.stack([m, torch.full_like(m, n), torch.full_like(m, k)], dim=1)


def cost(work: Workload) -> Cost:
    """No FLOP. int32: 8 ids a token in, two permutations and the expert tables out."""
    assignments = work.tokens * ds.K
    tables = 2 * (ds.E + 1) + 2 * ds.E * 3
    return Cost(
        bytes_read=4 * assignments, bytes_written=4 * (2 * assignments + tables)
    )


KERNEL = Kernel(
    name="prepare_moe_input",
    source=Source.SGL_KERNEL,
    category=Category.MOE,
    summary="expert offsets and permutations for grouped GEMMs",
    dtype="int32",
    ops=(Op(name="experts", axes={"n": ds.K}),),
    min_compute_capability=(8, 0),
    providers=(sgl_kernel("prepare_moe_input", call),),
    make_inputs=make_inputs,
    reference=reference,
    tolerance=dict.fromkeys(OUTPUTS, EXACT),
    cost=cost,
    traffic=Traffic(
        read=("topk_ids",),
        written=(
            "expert_offsets",
            "blockscale_offsets",
            "problem_sizes1",
            "problem_sizes2",
            "input_permutation",
            "output_permutation",
        ),
    ),
    canonical=canonical,
)
