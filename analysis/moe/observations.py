"""What the least times say of themselves: sentences whose numbers are computed."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dsprof.analysis.findings import Finding
from dsprof.analysis.moe.bounds import least_time_s, regime
from dsprof.analysis.moe.geometry import NumberFormat
from dsprof.analysis.moe.routing import (
    Routing,
    rows_per_token,
    share_of_tokens_here,
    tokens_to_touch,
    touched_experts,
)
from dsprof.analysis.moe.study import Study
from dsprof.analysis.moe.work import Work, work
from dsprof.analysis.numerals import plural, scaled_bytes, significant
from dsprof.harness.device import Datapath
from dsprof.harness.errors import UsageError
from dsprof.harness.records import Bound, Roof

FLAT = 1.05  # times the first: as good as equal
ALL_BUT = 0.99  # of the experts touched: as good as all
US = 1e6


def token_list(tokens: Sequence[int]) -> str:
    """For example ``T = 1``, ``T = 1 and 7`` or ``T = 1 to 80 (6)``."""
    if not tokens:
        return "no T"
    if len(tokens) == 1:
        return f"T = {tokens[0]:,}"
    if len(tokens) == 2:  # noqa: PLR2004 -- a pair needs no range
        return f"T = {tokens[0]:,} and {tokens[1]:,}"
    return f"T = {tokens[0]:,} to {tokens[-1]:,} ({len(tokens)})"


def crossover_words(tokens: float) -> str:
    """Where memory stops being the limit."""
    if math.isinf(tokens):
        return "never: memory limits at every T"
    if tokens <= 1:
        return "from T = 1 on, compute limits"
    return f"T ~ {tokens:,.0f} tokens"


def minimum_time_findings(study: Study) -> list[Finding]:
    """Of the table of least times: where they hardly change, and what they rest on."""
    return [
        *_flat_findings(study),
        *_touched_findings(study),
        *_narrower(study, study.work(study.tokens[0]), study.rated),
    ]


def regime_least_findings(study: Study, bound: Bound) -> list[Finding]:
    """The least times of the asked T in a regime of the rated roof."""
    roof = study.rated
    done = [
        one
        for tokens in study.tokens
        if regime(one := study.work(tokens), roof) is bound
    ]
    if not done:
        return []
    detail = (
        _memory_detail(done, roof)
        if bound is Bound.MEMORY
        else _compute_detail(done, roof)
    )
    return [Finding(title="Least times, rated roof", detail=detail)]


def _flat_findings(study: Study) -> Iterator[Finding]:
    """The tokens that cost next to nothing: how many the first's time has room for."""
    times = [least_time_s(study.work(one), study.rated) for one in study.tokens]
    flat = [
        tokens
        for tokens, time_s in zip(study.tokens, times, strict=True)
        if time_s <= FLAT * times[0]
    ]
    if len(flat) > 1:
        most = 100 * (times[len(flat) - 1] / times[0] - 1)
        yield Finding(
            title="Nearly constant",
            detail=f"{token_list(flat)} take {significant(times[0] * US)} us and at "
            f"most {significant(most)} % more.",
        )


def _span(values: Sequence[float]) -> str:
    low, high = significant(min(values)), significant(max(values))
    return low if low == high else f"{low} to {high}"


def _memory_detail(done: Sequence[Work], roof: Roof) -> str:
    times = [least_time_s(one, roof) * US for one in done]
    last = done[-1]
    share = 100 * last.activation_bytes / last.total_bytes
    detail = (
        f"{_tokens_of(done)}: {_span(times)} us, at "
        f"{_span([one.intensity for one in done])} FLOP/byte, below the ridge point of "
        f"{significant(roof.ridge_point, 4)}; activations are {significant(share)} % "
        f"of the bytes at T = {last.tokens:,}"
    )
    if len(done) > 1:
        more_work, more_time = last.flops / done[0].flops, times[-1] / times[0]
        detail += (
            f", where {significant(more_work)} times the FLOP of T = "
            f"{done[0].tokens:,} take {significant(more_time)} times its time"
        )
    return f"{detail}."


def _compute_detail(done: Sequence[Work], roof: Roof) -> str:
    times = [least_time_s(one, roof) * US for one in done]
    first = done[0]
    idle = 100 * (1 - first.total_bytes / roof.bytes_per_s * US / times[0])
    return (
        f"{_tokens_of(done)}: {_span(times)} us, "
        f"{significant(1000 * times[-1] / done[-1].tokens)} ns a token; memory is idle "
        f"{significant(idle)} % of it at T = {first.tokens:,}."
    )


def _tokens_of(done: Sequence[Work]) -> str:
    return token_list([int(one.tokens) for one in done])


def _narrower(study: Study, done: Work, roof: Roof) -> Iterator[Finding]:
    """What the same weights would take in FP4."""
    geometry = study.geometry
    if geometry.number_format is NumberFormat.FP4:
        return
    try:
        fp4 = replace(
            geometry,
            number_format=NumberFormat.FP4,
            block_size=NumberFormat.FP4.block_size,
        )
    except UsageError:  # sizes that are no multiple of its block
        return
    narrow = work(fp4, study.routing, done.tokens)
    time_us = narrow.total_bytes / roof.bytes_per_s * US
    has_fp4 = Datapath.FP4_TENSOR in study.device.flops_per_s
    lacks = "" if has_fp4 else f"; {study.device.name} has no tensor rate for FP4"
    yield Finding(
        title="Narrower weights",
        detail=f"in FP4 an expert has {scaled_bytes(fp4.expert_bytes)} instead of "
        f"{scaled_bytes(geometry.expert_bytes)}, and moving all bytes of T = "
        f"{done.tokens:,} takes {significant(time_us)} us instead of "
        f"{significant(done.total_bytes / roof.bytes_per_s * US)}{lacks}.",
    )


def _touched_findings(study: Study) -> Iterator[Finding]:
    geometry = study.geometry
    if study.routing is Routing.FORCED_LOCAL:
        return
    enough = math.ceil(tokens_to_touch(geometry, ALL_BUT))
    first = study.tokens[0]
    yield Finding(
        title="Experts touched",
        detail=f"T = {first:,} is expected to touch "
        f"{significant(study.work(first).experts)} of "
        f"{plural(geometry.local_experts, 'local expert')}; from T = {enough:,} on, "
        f"{100 * ALL_BUT:.0f} % of them.",
    )


def accounts_findings(study: Study) -> list[Finding]:
    """Why the two accounts of routing differ, and by how much at the asked tokens."""
    geometry, roof = study.geometry, study.rated
    share = geometry.local_experts / geometry.experts
    rows = rows_per_token(geometry, Routing.EXPECTED)
    first = study.tokens[0]
    touched = touched_experts(geometry, Routing.EXPECTED, first)
    expected, forced = (
        least_time_s(study.work(first, routing), roof) * US
        for routing in (Routing.EXPECTED, Routing.FORCED_LOCAL)
    )
    here = 100 * share_of_tokens_here(geometry, Routing.EXPECTED)
    return [
        Finding(
            title="Rows",
            detail=f"of a token's {geometry.top_k} experts, "
            f"{geometry.local_experts}/{geometry.experts} = {significant(share)} are "
            f"local, so it makes {significant(rows)} rows here on average and "
            f"{scaled_mega(rows * geometry.row_flops)}; forced local, it makes "
            f"{geometry.top_k} and {scaled_mega(geometry.top_k * geometry.row_flops)}. "
            f"{significant(here)} % of the tokens have a local expert.",
        ),
        Finding(
            title="Weights",
            detail=f"at T = {first:,} an expected {significant(touched)} of "
            f"{geometry.local_experts} local experts have a row, and only those are "
            f"read: {significant(expected)} us at least; with all of them, "
            f"{significant(forced)} us.",
        ),
    ]


def scaled_mega(flops: float) -> str:
    """FLOP in millions, to four digits."""
    return f"{significant(flops / 1e6, 4)} MFLOP"
