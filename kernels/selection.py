"""Top-k routing: logits whose choice is clear, and choices that can be compared."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from dsprof.kernels import deepseek as ds
from dsprof.kernels.spec import TensorMaker, Tensors, Workload

if TYPE_CHECKING:
    import torch

# Two correct kernels differ by a few 1e-7 in a score of about 1. Rows that are
# decided by less than this are drawn again, so that experts can be compared exactly.
MIN_GAP = 1e-5


def clear_logits(
    make: TensorMaker, tokens: int, gap: Callable[["torch.Tensor"], "torch.Tensor"]
) -> "torch.Tensor":
    """float32 (tokens, experts), normal, without rows that are nearly a tie.

    ``gap`` gives for each row the score difference that decides its experts. About
    one row in 1000 is drawn again; both its draws are close for one in a million.
    """
    import torch

    first = make.normal(tokens, ds.E, dtype="float32")
    second = make.normal(tokens, ds.E, dtype="float32")
    return torch.where((gap(first) < MIN_GAP)[:, None], second, first)


def gap_after(scores: "torch.Tensor", k: int) -> "torch.Tensor":
    """Difference between each row's k-th largest score and the next one."""
    largest = scores.topk(k + 1, dim=-1).values
    return largest[..., k - 1] - largest[..., k]


def group_scores(scores: "torch.Tensor", groups: int) -> "torch.Tensor":
    """Sum of the two best scores of each group, (tokens, groups)."""
    grouped = scores.view(len(scores), groups, -1)
    return grouped.topk(2, dim=-1).values.sum(-1)


def in_best_groups(
    scores: "torch.Tensor", groups: int = ds.EXPERT_GROUPS, best: int = ds.TOPK_GROUPS
) -> "torch.Tensor":
    """Scores with minus infinity for the experts outside the best groups."""
    kept = group_scores(scores, groups).topk(best, dim=-1).indices
    dropped = scores.new_ones(len(scores), groups).scatter(-1, kept, 0.0)
    outside = dropped.bool().repeat_interleave(scores.shape[-1] // groups, dim=-1)
    return scores.masked_fill(outside, -float("inf"))


def route(
    logits: "torch.Tensor",
    bias: "torch.Tensor",
    top_k: int = ds.K,
    groups: int = ds.EXPERT_GROUPS,
    top_groups: int = ds.TOPK_GROUPS,
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Route as DeepSeek-V3 does: FP32 weights (tokens, top_k), and int64 ids.

    A token's weights sum to 2.5. The bias decides which experts are chosen, not how
    much they weigh.
    """
    sigmoids = logits.sigmoid()
    scores = in_best_groups(sigmoids + bias, groups, top_groups)
    ids = scores.topk(top_k, dim=-1).indices
    weights = sigmoids.gather(-1, ids)
    return weights / weights.sum(-1, keepdim=True) * ds.ROUTED_SCALING, ids


def by_expert(_work: Workload, _args: Tensors, outputs: Tensors) -> Tensors:
    """Order each row by expert id and its weights along with it.

    The order of a row's experts means nothing; which they are, and which weight
    belongs to which, must be the reference's.
    """
    ids, order = outputs["topk_ids"].sort(dim=-1)
    return {"topk_ids": ids, "topk_weights": outputs["topk_weights"].gather(-1, order)}
