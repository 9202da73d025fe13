"""Why DRAM moves other bytes than the compulsory ones: stated, with the numbers."""

from dsprof.analysis.inflation import NOT_EXPLAINED
from dsprof.analysis.merge import MergedPoint
from dsprof.harness.records import Cache, Measurement

# DRAM moves whole sectors, and refresh and page tables cost a little.
LEAST, MOST = 0.95, 1.10
# With cold caches a launch also reads its own code, arguments and tables.
_LAUNCH_BYTES = 1_000_000


def explain_amplification(point: MergedPoint, l2_bytes: int | None = None) -> str:
    """Why DRAM over compulsory bytes is not 0.95 to 1.10; empty where it is.

    Reads and writes are told apart where both were counted. ``l2_bytes`` is the size
    of the device's L2, against which what stayed in it, or did not fit, is held.
    """
    row, ratio = point.measurement, point.traffic_amplification
    if row is None or ratio is None or LEAST <= ratio <= MOST:
        return ""
    if point.dram_read_bytes is None or point.dram_write_bytes is None:
        return f"{NOT_EXPLAINED}: {ratio:.3g} times the compulsory bytes in all"
    reasons = []
    read, written = point.dram_read_bytes, point.dram_write_bytes
    if _is_off(read, row.bytes_read):
        reasons.append(_reads(point, row, read, l2_bytes))
    if _is_off(written, row.bytes_written):
        reasons.append(_writes(point, row, written, l2_bytes))
    return "; ".join(reasons)


def _is_off(counted: float, compulsory: int) -> bool:
    return not LEAST * compulsory <= counted <= MOST * compulsory


def _reads(
    point: MergedPoint, row: Measurement, read: float, l2_bytes: int | None
) -> str:
    if read < row.bytes_read:
        return _reads_less(point, row, read, l2_bytes)
    more = read - row.bytes_read
    numbers = f"DRAM read {_size(read)}, {_size(more)} more than compulsory"
    if more <= _LAUNCH_BYTES * len(point.launches):
        return f"fixed reads of a launch (code, arguments, tables): {numbers}"
    if len(point.launches) > 1:
        return f"workspace traffic: {numbers}, in {len(point.launches)} launches"
    everything = _size(row.total_bytes)
    if l2_bytes is not None and row.total_bytes <= l2_bytes:
        return f"{NOT_EXPLAINED}: {numbers}, although all {everything} fit L2"
    return f"re-reads: {numbers}, L2 did not keep all of {everything}"


def _reads_less(
    point: MergedPoint, row: Measurement, read: float, l2_bytes: int | None
) -> str:
    kept = row.bytes_read - read
    numbers = f"DRAM read {_size(read)} of {_size(row.bytes_read)} compulsory"
    if point.cache is not Cache.WARM:
        return f"{NOT_EXPLAINED}: {numbers}, from caches that were not warm"
    if l2_bytes is not None and kept > l2_bytes:
        return f"{NOT_EXPLAINED}: {numbers}, and {_size(kept)} is more than L2 has"
    return f"L2 hits: {numbers}, the rest lay in L2"


def _writes(
    point: MergedPoint, row: Measurement, written: float, l2_bytes: int | None
) -> str:
    compulsory = row.bytes_written
    if written < compulsory:
        left = compulsory - written
        numbers = f"DRAM took {_size(written)} of {_size(compulsory)} written"
        if l2_bytes is not None and left > l2_bytes:
            return f"{NOT_EXPLAINED}: {numbers}, and {_size(left)} is more than L2 has"
        return f"writes left in L2: {numbers}"
    more = written - compulsory
    numbers = f"DRAM took {_size(written)}, {_size(more)} more than the outputs have"
    if len(point.launches) > 1:
        return f"workspace traffic: {numbers}, in {len(point.launches)} launches"
    return f"workspace or foreign lines written back: {numbers}"


def _size(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if abs(count) >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} bytes"
