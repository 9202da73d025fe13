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
    tokens: int, experts: int = ds.E, top_k: int = ds.K
) -> "npt.NDArray[np.int32]":
    """int32 (tokens, top_k): distinct experts a token, all equally likely."""
    import numpy as np

    random = np.random.default_rng([SEED, tokens, experts, top_k])
    scores = random.random((tokens, experts), dtype=np.float32)
    ids = np.argpartition(scores, top_k - 1, axis=1)[:, :top_k].astype(np.int32)
    ids.setflags(write=False)
    return ids


def rows_per_expert(tokens: int) -> "npt.NDArray[np.int64]":
    """int64 (256): how many of the tokens * 8 rows go to each expert."""
    import numpy as np

    return np.bincount(expert_ids(tokens).ravel(), minlength=ds.E)


def distinct_experts(tokens: int) -> int:
    """How many experts get at least one row; their weights must be read."""
    return int((rows_per_expert(tokens) > 0).sum())
