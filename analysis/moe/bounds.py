"""The least time that a roof allows, its regime, and where one regime ends."""

import math
from collections.abc import Callable

from dsprof.analysis.moe.geometry import Geometry
from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.work import Work, work
from dsprof.harness.records import Bound, Roof

MOST_TOKENS = 2.0**60  # beyond any batch: all experts are touched long before
HALVINGS = 200  # more than doubles have bits


def least_time_s(done: Work, roof: Roof) -> float:
    """The longer of computing and moving, each at its roof and fully overlapped."""
    return max(done.flops / roof.flops_per_s, done.total_bytes / roof.bytes_per_s)


def regime(done: Work, roof: Roof) -> Bound:
    """Which of the two takes longer; at the ridge point, computing."""
    return Bound.MEMORY if done.intensity < roof.ridge_point else Bound.COMPUTE


def crossover_tokens(geometry: Geometry, routing: Routing, roof: Roof) -> float:
    """Tokens at which moving takes as long as computing; below, memory limits.

    1 where computing is the longer of the two from one token on, infinity where a
    token's own bytes take longer to move than its FLOP to compute. Intensity never
    falls with tokens, since weights are shared by more of them.
    """

    def moves_longer(tokens: float) -> bool:
        return work(geometry, routing, tokens).intensity < roof.ridge_point

    if moves_longer(MOST_TOKENS):
        return math.inf
    return _last(moves_longer, 1.0, MOST_TOKENS)


def _last(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Where a claim that is not true of ``high`` stops; ``low`` if never true."""
    if not holds(low):
        return low
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return high
