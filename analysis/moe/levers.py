"""What would shorten the least time itself: more tokens, fewer bytes, more GPUs."""

import math
from collections.abc import Iterator
from dataclasses import replace

from dsprof.analysis.findings import Finding
from dsprof.analysis.moe.bounds import crossover_tokens, least_time_s, regime
from dsprof.analysis.moe.observations import US
from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.study import Study
from dsprof.analysis.moe.work import activation_bytes, work
from dsprof.analysis.numerals import scaled_bytes, significant
from dsprof.harness.records import Bound


def use_findings(study: Study) -> list[Finding]:
    """How much of both rated roofs the first T uses, and how many tokens use both."""
    roof, geometry = study.rated, study.geometry
    first = study.tokens[0]
    done = study.work(first)
    compute_us = done.flops / roof.flops_per_s * US
    memory_us = done.total_bytes / roof.bytes_per_s * US
    more, used = ("FLOP/s", compute_us / memory_us)
    if compute_us > memory_us:
        more, used = ("bandwidth", memory_us / compute_us)
    found = [
        Finding(
            title=f"T = {first:,}",
            detail=f"computing takes {significant(compute_us)} us of the rated roof "
            f"and moving {significant(memory_us)} us: more {more} helps nothing while "
            f"{significant(100 * used)} % of it is used.",
        )
    ]
    found += [*_fusion_findings(study), *_sharing_findings(study)]
    crossover = crossover_tokens(geometry, study.routing, roof)
    if 1 < crossover < math.inf:
        rows = study.work(crossover).rows / geometry.local_experts
        found.append(
            Finding(
                title="To use both",
                detail=f"it takes {crossover:,.0f} tokens, {significant(rows)} rows a "
                f"local expert, in one batch.",
            )
        )
    return found


def _fusion_findings(study: Study) -> Iterator[Finding]:
    """What tensors between the stages cost at the last T that memory limits."""
    roof, geometry = study.rated, study.geometry
    bound = [
        tokens
        for tokens in study.tokens
        if regime(study.work(tokens), roof) is Bound.MEMORY
    ]
    if not bound:
        return
    done = study.work(bound[-1])
    rows = done.rows / geometry.top_k  # as many tokens with all experts here
    staged, kept = (
        done.weight_bytes + count * sum(activation_bytes(geometry, routing).values())
        for count, routing in (
            (rows, Routing.FORCED_LOCAL),
            (done.tokens, Routing.EXPECTED),
        )
    )
    yield Finding(
        title=f"T = {bound[-1]:,}, the last that memory limits",
        detail=f"with every tensor between the stages moved once, "
        f"{scaled_bytes(staged)} and {significant(staged / roof.bytes_per_s * US)} us; "
        f"with all of them kept on chip, {scaled_bytes(kept)} and "
        f"{significant(kept / roof.bytes_per_s * US)} us.",
    )


def _sharing_findings(study: Study) -> Iterator[Finding]:
    """What half the local experts would take, at both ends of the asked tokens."""
    if study.routing is Routing.FORCED_LOCAL or study.geometry.local_experts == 1:
        return
    half = replace(study.geometry, local_experts=study.geometry.local_experts // 2)
    words = [
        f"{significant(least_time_s(work(half, study.routing, one), study.rated) * US)}"
        f" instead of {significant(least_time_s(study.work(one), study.rated) * US)} us"
        f" at T = {one:,}"
        for one in dict.fromkeys((study.tokens[0], study.tokens[-1]))
    ]
    yield Finding(
        title=f"Experts on twice as many GPUs, {half.title} on each",
        detail=f"{' and '.join(words)}, without what sending tokens takes.",
    )
