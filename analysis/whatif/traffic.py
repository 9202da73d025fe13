"""Which of a call's bytes go to HBM, and which stay in the last cache.

Cold: all reads miss, and the last writes stay in the cache as dirty lines. Warm: the
replay before left what it could. Where a profile has counters, the dirty lines and what
is read more than once are as counted.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from dsprof.analysis.merge import MergedPoint
from dsprof.harness.records import Cache, Measurement

# Of the writes of large elementwise kernels, an H200's 60 MiB kept 15 to 27 MB.
_DIRTY_SHARE = 0.35
_LAUNCH_BYTES = 100_000  # code, arguments and tables: read, but no data read again
# Of L2; a smaller call moves its launch's own bytes and workspaces more than its data.
_LEAST_SHARE = 0.125
# L2's tags see each byte of a stream 1.51 to 1.57 times on an H200: in the partition of
# the multiprocessor, and for half of the bytes in that of the memory.
_TAG_LOOKUPS = 1.54
# Seen on an H200's warm times: calls of up to 0.70 of L2 find all of it there at the
# next replay, calls of 0.73 or more nothing: lines go out in the order they came in.
_KEPT_WHOLE, _KEPT_NOTHING = 0.66, 0.74


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """How the points of one kernel and op use HBM in one cache state."""

    cache: Cache
    l2_bytes: float
    dirty_bytes: float  # written, and still in the cache when the call ends
    re_reads: tuple[tuple[int, float], ...]  # tokens -> bytes read over compulsory
    deliveries: tuple[tuple[int, float], ...] = ()  # tokens -> L2's over compulsory

    def hbm_bytes(self, row: Measurement) -> float:
        """Bytes that HBM moves for this call."""
        read = row.bytes_read * _between(self.re_reads, row.point.tokens)
        if self.cache is Cache.WARM:
            return (read + row.bytes_written) * self._missed(row.total_bytes)
        return read + max(row.bytes_written - self.dirty_bytes, 0.0)

    def on_chip_bytes(self, row: Measurement) -> float:
        """Bytes that the cache moves: tiles read their operands from it again."""
        return row.total_bytes * _between(self.deliveries, row.point.tokens)

    def _missed(self, footprint_bytes: float) -> float:
        """Share of a warm call's bytes that the replay before did not leave."""
        filled = footprint_bytes / self.l2_bytes
        missed = (filled - _KEPT_WHOLE) / (_KEPT_NOTHING - _KEPT_WHOLE)
        return min(max(missed, 0.0), 1.0)


def traffic(
    counted: Sequence[MergedPoint], cache: Cache, l2_bytes: float, dirty_bytes: float
) -> Traffic:
    """What the counted points of one kernel and op show."""
    reads: dict[int, float] = {}
    deliveries: dict[int, float] = {}
    for point in counted:
        row, read, looked_up = point.measurement, point.dram_read_bytes, point.l2_bytes
        own = _LAUNCH_BYTES * len(point.launches)
        if row is None or row.total_bytes < _LEAST_SHARE * l2_bytes:
            continue
        if read is not None and row.bytes_read:
            reads[row.point.tokens] = max((read - own) / row.bytes_read, 1.0)
        if looked_up is not None and row.total_bytes:
            moved = looked_up / _TAG_LOOKUPS - own
            deliveries[row.point.tokens] = max(moved / row.total_bytes, 1.0)
    return Traffic(
        cache=cache,
        l2_bytes=l2_bytes,
        dirty_bytes=dirty_bytes,
        re_reads=tuple(sorted(reads.items())),
        deliveries=tuple(sorted(deliveries.items())),
    )


def dirty_bytes(counted: Sequence[MergedPoint], l2_bytes: float) -> float:
    """Bytes that a large call leaves in the cache as it ends, as counted if it was."""
    left = [
        shortfall
        for point in counted
        if point.measurement is not None
        and point.measurement.bytes_written > l2_bytes / 2
        and (shortfall := point.write_shortfall_bytes) is not None
        and shortfall > 0
    ]
    return statistics.median(left) if left else _DIRTY_SHARE * l2_bytes


def _between(known: Sequence[tuple[int, float]], tokens: int) -> float:
    """A ratio by the logarithms of token counts; beyond the known ones, the nearest.

    1 where nothing is known.
    """
    if not known:
        return 1.0
    at = math.log(tokens)
    logs = [(math.log(count), ratio) for count, ratio in known]
    if at <= logs[0][0]:
        return logs[0][1]
    for (low, first), (high, last) in pairwise(logs):
        if at <= high:
            return first + (last - first) * (at - low) / (high - low)
    return logs[-1][1]
