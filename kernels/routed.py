"""The routing that every MoE kernel is given: uniform, and the same for a size.

How many experts a batch touches decides what weights must be read, so inputs and
analytic cost have to come from the same draw.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

from dsprof.kernels import deepseek as ds

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SEED = 0x5EED


@lru_cache(maxsize=64)
def expert_ids(
    tokens: int,
    experts: int = ds.E,
    top_k: int = ds.K,
    groups: int = 1,
    top_groups: int = 1,
) -> "npt.NDArray[np.int32]":
    """int32 (tokens, top_k): distinct experts a token, all equally likely.

    With groups, a token's experts lie in ``top_groups`` of them, as a router that
    limits groups chooses; without, in any, as most kernels do not care.
    """
    import numpy as np

    random = np.random.default_rng([SEED, tokens, experts, top_k])
    scores = random.random((tokens, experts), dtype=np.float32)
    if top_groups < groups:
        group_scores = random.random((tokens, groups), dtype=np.float32)
        # The least scores are chosen, so what is added to a group rules it out.
        ruled_out = np.argsort(group_scores, axis=1)[:, top_groups:]
        np.put_along_axis(
            scores.reshape(tokens, groups, -1), ruled_out[..., None], 1, axis=1
        )
    ids = np.argpartition(scores, top_k - 1, axis=1)[:, :top_k].astype(np.int32)
    ids.setflags(write=False)
    return ids


def rows_per_expert(
    tokens: int,
    experts: int = ds.E,
    top_k: int = ds.K,
    groups: int = 1,
    top_groups: int = 1,
) -> "npt.NDArray[np.int64]":
    """int64 (experts): how many of the tokens * top_k rows go to each expert."""
    import numpy as np

    ids = expert_ids(tokens, experts, top_k, groups, top_groups)
    return np.bincount(ids.ravel(), minlength=experts)


def distinct_experts(
    tokens: int,
    experts: int = ds.E,
    top_k: int = ds.K,
    groups: int = 1,
    top_groups: int = 1,
) -> int:
    """How many experts get at least one row; their weights must be read."""
    rows = rows_per_expert(tokens, experts, top_k, groups, top_groups)
    return int((rows > 0).sum())


# Of a score of about 1, kernels' sigmoids differ by a few 1e-7. A row whose choice
# hangs on less than this is drawn again, so that every kernel chooses the same.
MIN_GAP = 1e-5


@lru_cache(maxsize=4)  # 16 MB at 16,384 tokens
def router_logits(
    tokens: int,
    experts: int = ds.E,
    top_k: int = ds.K,
    groups: int = ds.EXPERT_GROUPS,
    top_groups: int = ds.TOPK_GROUPS,
) -> "npt.NDArray[np.float32]":
    """FP32 (tokens, experts): normal, and clear about which experts they choose."""
    import numpy as np

    random = np.random.default_rng([SEED, tokens, experts, top_k, groups, top_groups])
    logits = random.standard_normal((tokens, experts), dtype=np.float32)
    close = np.arange(tokens)
    while len(close):
        _, gap = _choose(logits[close], top_k, groups, top_groups)
        close = close[gap < MIN_GAP]
        logits[close] = random.standard_normal((len(close), experts), dtype=np.float32)
    logits.setflags(write=False)
    return logits


@lru_cache(maxsize=64)
def routed_ids(
    tokens: int,
    experts: int = ds.E,
    top_k: int = ds.K,
    groups: int = ds.EXPERT_GROUPS,
    top_groups: int = ds.TOPK_GROUPS,
) -> "npt.NDArray[np.int32]":
    """int32 (tokens, top_k), ascending: what the size's logits choose without a bias.

    Sigmoids are compared. A group is worth its two best; a token's experts are the
    best of its ``top_groups`` best groups (arXiv:2412.19437, section 2.1.2).
    """
    import numpy as np

    logits = router_logits(tokens, experts, top_k, groups, top_groups)
    ids, _ = _choose(logits, top_k, groups, top_groups)
    ascending = np.sort(ids, axis=1).astype(np.int32)
    ascending.setflags(write=False)
    return ascending


def _choose(
    logits: "npt.NDArray[np.float32]", top_k: int, groups: int, top_groups: int
) -> "tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]":
    """Experts of each row, and the least score difference that decides them."""
    import numpy as np

    scores = 1 / (1 + np.exp(-logits))
    by_group = scores.reshape(len(logits), groups, -1)
    group_scores = np.partition(by_group, -2, axis=2)[..., -2:].sum(-1)
    best, group_gap = _largest(group_scores, top_groups)
    is_open = np.zeros((len(logits), groups), dtype=bool)
    np.put_along_axis(is_open, best, values=True, axis=1)
    open_scores = np.where(is_open[..., None], by_group, -1).reshape(logits.shape)
    ids, gap = _largest(open_scores, top_k)
    return ids, np.minimum(gap, group_gap)


def _largest(
    scores: "npt.NDArray[np.float32]", count: int
) -> "tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]":
    """Places of each row's largest, and how much the least of them leads the next."""
    import numpy as np

    width = scores.shape[1]
    if count == width:
        everything = np.tile(np.arange(width), (len(scores), 1))
        return everything, np.full(len(scores), np.inf, dtype=np.float32)
    order = np.argpartition(scores, (width - count - 1, width - count), axis=1)
    around = order[:, width - count - 1 : width - count + 1]
    values = np.take_along_axis(scores, around, axis=1)
    return order[:, width - count :], values[:, 1] - values[:, 0]
