"""Why DRAM moves other bytes than the compulsory ones: stated, with the numbers."""

from dsprof.analysis.inflation import NOT_EXPLAINED
from dsprof.analysis.merge import MergedPoint
from dsprof.harness.records import Cache, Measurement

# DRAM moves whole sectors, and refresh and page tables cost a little.
LEAST, MOST = 0.95, 1.10
# A launch also reads its own code, arguments and tables: 3 to 29 KB seen on an H200.
_LAUNCH_BYTES = 100_000
# Of the time in graph replays: more is no noise of a launch that ncu serializes.
_SLOWER = 1.2
# A100, H100 and H200: an SM reads through the half of L2 that is nearer to it.
_TWO_PARTITIONS = frozenset({(8, 0), (9, 0)})


def explain_amplification(point: MergedPoint, l2_bytes: int | None = None) -> str:
    """Why DRAM over compulsory bytes is not 0.95 to 1.10; empty where it is.

    Reads and writes are told apart where both were counted. ``l2_bytes`` is the size
    of the device's L2, against which what stayed in it, or did not fit, is held. A
    warm row whose L2 was not that of graph replays says so, whatever its ratio.
    """
    row, ratio = point.measurement, point.traffic_amplification
    if row is None or ratio is None:
        return ""
    reasons = _not_warm(point, row, l2_bytes)
    if not LEAST <= ratio <= MOST:
        reasons += _by_direction(point, row, ratio, l2_bytes)
    return "; ".join(reasons)


def _not_warm(point: MergedPoint, row: Measurement, l2_bytes: int | None) -> list[str]:
    """What fits L2 was read from DRAM, and took longer than where it was not."""
    reads, slower = point.read_amplification, point.ncu_over_graph
    if point.cache is not Cache.WARM or reads is None or slower is None:
        return []
    fits = l2_bytes is not None and row.total_bytes <= l2_bytes
    if not fits or reads < LEAST or slower < _SLOWER:
        return []
    numbers = f"DRAM read {reads:.3g} of compulsory, {slower:.2g} times their time"
    cause = "likely by ncu's saves and restores of memory between passes"
    return [f"L2 colder than in graph replays ({numbers}), {cause}"]


def _by_direction(
    point: MergedPoint, row: Measurement, ratio: float, l2_bytes: int | None
) -> list[str]:
    read, written = point.dram_read_bytes, point.dram_write_bytes
    if read is None or written is None:
        return [f"{NOT_EXPLAINED}: {ratio:.3g} times the compulsory bytes in all"]
    reasons = []
    if _is_off(read, row.bytes_read):
        reasons.append(_reads(point, row, read, l2_bytes))
    if _is_off(written, row.bytes_written):
        reasons.append(_writes(point, row, written, l2_bytes))
    return reasons


def _is_off(counted: float, compulsory: int) -> bool:
    return not LEAST * compulsory <= counted <= MOST * compulsory


def _reads(
    point: MergedPoint, row: Measurement, read: float, l2_bytes: int | None
) -> str:
    if read < row.bytes_read:
        return _reads_less(point, row, read, l2_bytes)
    more, launches = read - row.bytes_read, len(point.launches)
    numbers = f"DRAM read {_size(read)}, {_size(more)} more than compulsory"
    everything = _size(row.total_bytes)
    if launches > 1:
        if more <= _LAUNCH_BYTES * launches:
            return f"fixed or repeated reads of {launches} launches: {numbers}"
        if _read_again(point, row) < more / 2:
            return f"workspace or repeated reads: {numbers}, in {launches} launches"
    elif more <= _LAUNCH_BYTES:
        return f"fixed reads of a launch (code, arguments, tables): {numbers}"
    elif l2_bytes is not None and row.total_bytes <= l2_bytes:
        return _reads_of_what_fits(point, row, numbers, l2_bytes)
    return f"re-reads: {numbers}, L2 did not keep all of {everything}"


def _read_again(point: MergedPoint, row: Measurement) -> float:
    """Bytes that one launch surely read twice: neither inputs nor earlier results.

    Launches before it cannot have written more than the bytes that their L2 moved.
    """
    again = before = 0.0
    for launch in point.launches:
        read, moved = launch.dram_read_bytes, launch.l2_bytes
        if read is None or moved is None:
            return 0
        again = max(again, read - row.bytes_read - before)
        before += moved
    return again


def _reads_of_what_fits(
    point: MergedPoint, row: Measurement, numbers: str, l2_bytes: int
) -> str:
    all_fit = f"{numbers}, although all {_size(row.total_bytes)} fit L2"
    halves = point.launches[0].compute_capability in _TWO_PARTITIONS
    if halves and row.total_bytes > l2_bytes / 2:
        copies = f"its two partitions of {_size(l2_bytes / 2)} keep a copy each"
        return f"re-reads: {all_fit}, likely as {copies}"
    return f"{NOT_EXPLAINED}: {all_fit}"


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
    return f"spilled registers, workspace or foreign lines written back: {numbers}"


def _size(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if abs(count) >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} bytes"
