"""How a kernel's time grows with tokens: its flat floor, and its exponent."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.harness.records import Cache, Phase

if TYPE_CHECKING:
    import pandas as pd

# A time this far above the floor is growth: clock steps and noise stay within a
# tenth, and one doubling of work at full throughput is a factor of two.
FLOOR_FACTOR = 1.25
MEDIANS = ["flops", "bytes", "warm_us", "cold_us", "roof_us"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One size of a series; times in microseconds, NaN where not timed."""

    tokens: int
    flops: int
    total_bytes: int
    warm_us: float
    cold_us: float
    roof_us: float

    def time_us(self, cache: Cache) -> float:
        return self.warm_us if cache is Cache.WARM else self.cold_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Timed sizes of one op, smallest first, one a token count.

    ``detail`` is empty where the work depends on tokens alone; otherwise it says
    what else was held fixed, for example ``prefill B=2``.
    """

    kernel: str
    op: str
    detail: str
    sizes: tuple[Size, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The flat start of a series: its time, and where the time leaves it."""

    time_us: float
    left_at_tokens: int | None  # None: every size is within FLOOR_FACTOR of it
    last_tokens: int


def token_series(frame: "pd.DataFrame") -> list[Series]:
    """Split a frame into series over tokens, in recorded order.

    Points with equal tokens and equal work become one size at their median time,
    whatever their batch or phase. An op whose work differs at equal tokens, as
    attention's does, has one series for each phase, context and prefill batch.
    """
    timed = frame[frame["warm_us"].notna() | frame["cold_us"].notna()]
    medians = (
        timed.assign(detail=_details(timed))
        .groupby(["kernel", "op", "detail", "tokens"], sort=False)[MEDIANS]
        .median()
    )
    ops: dict[tuple[str, str], dict[str, list[Size]]] = {}
    for (kernel, op, detail, tokens), *numbers in medians.itertuples():
        sizes = ops.setdefault((kernel, op), {}).setdefault(detail, [])
        sizes.append(_size(tokens, numbers))
    return [
        Series(
            kernel=kernel,
            op=op,
            detail=detail,
            sizes=tuple(sorted(sizes, key=lambda size: size.tokens)),
        )
        for (kernel, op), details in ops.items()
        for detail, sizes in details.items()
    ]


def phase_series(
    frame: "pd.DataFrame", phase: Phase, batch_size: int | None
) -> list[Series]:
    """Series within one phase, of one batch size unless that is None."""
    chosen = frame["phase"] == phase.value
    if batch_size is not None:
        chosen &= frame["batch_size"] == batch_size
    return token_series(frame[chosen])


def floor(series: Series, cache: Cache) -> Floor | None:
    """The time at the smallest size and where it is left for good; None if untimed."""
    times = [
        (size.tokens, size.time_us(cache))
        for size in series.sizes
        if not math.isnan(size.time_us(cache))
    ]
    if not times:
        return None
    floor_us = times[0][1]
    left_at = None
    for tokens, time_us in reversed(times):
        if time_us <= FLOOR_FACTOR * floor_us:
            break
        left_at = tokens
    return Floor(time_us=floor_us, left_at_tokens=left_at, last_tokens=times[-1][0])


def exponent(first: Size, last: Size, cache: Cache) -> float:
    """The e of time ~ tokens**e between two sizes: 0 flat, 1 linear; NaN if untimed."""
    return _exponent(first, last, first.time_us(cache), last.time_us(cache))


def roof_exponent(first: Size, last: Size) -> float:
    """The exponent that the roof time alone would have between two sizes."""
    return _exponent(first, last, first.roof_us, last.roof_us)


def _exponent(first: Size, last: Size, first_us: float, last_us: float) -> float:
    if first.tokens == last.tokens or not (first_us > 0 and last_us > 0):
        return math.nan
    return math.log(last_us / first_us) / math.log(last.tokens / first.tokens)


def _details(timed: "pd.DataFrame") -> list[str]:
    """A detail a row; empty for an op with one amount of work a token count."""
    works = timed.groupby(["kernel", "op", "tokens"])[["flops", "bytes"]].nunique()
    several = works.max(axis="columns") > 1
    varied = {(kernel, op) for kernel, op, _ in several[several].index}
    columns = ["kernel", "op", "phase", "batch_size", "kv_len"]
    return [
        _detail(phase, batch_size, kv_len) if (kernel, op) in varied else ""
        for kernel, op, phase, batch_size, kv_len in timed[columns].itertuples(
            index=False
        )
    ]


def _detail(phase: str, batch_size: int, kv_len: object) -> str:
    import pandas as pd

    parts = [phase]
    if phase == Phase.PREFILL.value:
        parts.append(f"B={batch_size}")
    if kv_len is not pd.NA:
        parts.append(f"kv={kv_len}")
    return " ".join(parts)


def _size(tokens: int, medians: Sequence[float]) -> Size:
    """``medians`` are those of the columns MEDIANS."""
    flops, total_bytes, warm_us, cold_us, roof_us = medians
    return Size(
        tokens=int(tokens),
        flops=int(flops),
        total_bytes=int(total_bytes),
        warm_us=float(warm_us),
        cold_us=float(cold_us),
        roof_us=float(roof_us),
    )
