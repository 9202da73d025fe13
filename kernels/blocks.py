"""Assignments sorted by expert and padded, so that a block of rows has one expert.

Every expert's assignments are padded to whole blocks with the number of assignments,
which is no assignment's number.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def capacity(assignments: int, experts: int, block_rows: int) -> int:
    """Rows that suffice for any routing, in whole blocks.

    Each expert that has a row pads at most one block short of full.
    """
    if assignments < experts:
        return assignments * block_rows
    rows = assignments + experts * (block_rows - 1)
    return -(-rows // block_rows) * block_rows


def ranges(
    ids: "torch.Tensor", experts: int, block_rows: int
) -> "tuple[torch.Tensor, torch.Tensor]":
    """First row of each expert, and the row after its last block; int64 (experts)."""
    import torch

    flat = ids.flatten().long()
    counts = torch.zeros(experts, dtype=torch.int64, device=ids.device)
    counts.scatter_add_(0, flat, torch.ones_like(flat))
    padded = (counts + block_rows - 1) // block_rows * block_rows
    end_row = padded.cumsum(0)
    return end_row - padded, end_row


def expert_of_row(rows: int, end_row: "torch.Tensor") -> "torch.Tensor":
    """Return the expert that each row belongs to; beyond the last, their number."""
    import torch

    return torch.bucketize(
        torch.arange(rows, device=end_row.device), end_row, right=True
    )


def align(
    ids: "torch.Tensor", experts: int, block_rows: int, rows: int
) -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":
    """int32 assignment of each of ``rows`` rows, expert of each block, rows in use (1).

    Within an expert, assignments ascend. All rows beyond those in use are padding.
    """
    import torch

    flat = ids.flatten().long()
    order = flat.argsort(stable=True)
    first_row, end_row = ranges(ids, experts, block_rows)
    # An expert's rows begin later than in the sorted list, by the padding before it.
    first_in_list = torch.searchsorted(flat[order], flat[order])
    place = torch.arange(flat.numel(), device=ids.device) - first_in_list
    assignment = torch.full((rows,), flat.numel(), device=ids.device)
    assignment[first_row[flat[order]] + place] = order
    experts_of_blocks = expert_of_row(rows, end_row)[::block_rows]
    return assignment.int(), experts_of_blocks.int(), end_row[-1:].int()
