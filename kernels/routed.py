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
