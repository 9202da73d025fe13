"""Which experts a batch touches: as routers choose, or all of them on one GPU."""

import math
from enum import StrEnum

from dsprof.analysis.moe.geometry import Geometry


class Routing(StrEnum):
    """What is taken for where a batch's tokens go."""

    # Every expert equally likely, tokens independent: what random logits give.
    EXPECTED = "expected"
    # All of a token's experts lie on this GPU, and every expert is read at any T.
    FORCED_LOCAL = "forced-local"


def rows_per_token(geometry: Geometry, routing: Routing) -> float:
    """Rows of both GEMMs that a token makes on this GPU."""
    if routing is Routing.FORCED_LOCAL:
        return geometry.top_k
    return geometry.top_k * geometry.local_experts / geometry.experts


def touched_experts(geometry: Geometry, routing: Routing, tokens: float) -> float:
    """Local experts whose weights are read: expected with a row, or all of them.

    An expert is missed by a token with probability 1 - k/E, also where the router
    limits groups, and by all of them with its power.
    """
    if routing is Routing.FORCED_LOCAL:
        return geometry.local_experts
    taken = geometry.top_k / geometry.experts
    if taken == 1:
        return geometry.local_experts
    # 1 - (1 - k/E)^T without the cancellation that a large E brings.
    return -geometry.local_experts * math.expm1(tokens * math.log1p(-taken))


def tokens_to_touch(geometry: Geometry, share: float) -> float:
    """Tokens after which so much of the local experts is expected to have a row."""
    taken = geometry.top_k / geometry.experts
    if taken == 1:
        return 1.0
    return max(1.0, math.log1p(-share) / math.log1p(-taken))


def share_of_tokens_here(geometry: Geometry, routing: Routing) -> float:
    """Part of the tokens with any local expert, which alone come to this GPU.

    Local experts fill group after group. A token takes its groups at random, and its
    experts at random among theirs.
    """
    if routing is Routing.FORCED_LOCAL or geometry.local_experts == geometry.experts:
        return 1.0
    whole, rest = divmod(geometry.local_experts, geometry.group_experts)
    parts = 1 if rest else 0  # of a group that is local in part
    others = geometry.groups - whole - parts
    misses = 0
    for taken_whole in range(min(whole, geometry.top_groups) + 1):
        for taken_part in range(parts + 1):
            taken_others = geometry.top_groups - taken_whole - taken_part
            if taken_others < 0:
                continue
            local = taken_whole * geometry.group_experts + taken_part * rest
            misses += (
                math.comb(whole, taken_whole)
                * math.comb(parts, taken_part)
                * math.comb(others, taken_others)
                * math.comb(geometry.reachable_experts - local, geometry.top_k)
            )
    ways = math.comb(geometry.groups, geometry.top_groups) * math.comb(
        geometry.reachable_experts, geometry.top_k
    )
    return 1 - misses / ways
