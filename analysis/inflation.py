"""Why a kernel executes other FLOP than its formula has: padding, side work, units."""

from collections.abc import Iterator
from itertools import product

from dsprof.analysis.merge import MergedPoint
from dsprof.harness.device import Datapath
from dsprof.harness.records import Measurement, Phase

CLOSE = 0.005  # ratios nearer to 1 than this are 1.00
# Tensor FLOP are counted exactly, so a padding that is the reason gives their ratio.
_EXACT = 1e-6
_TILES = (8, 16, 32, 64, 128, 256)
_QUERY_TILES = (64, 128, 192, 256)
_KEY_TILES = tuple(range(16, 257, 16))
_OTHER_TILES = tuple(tile for tile in range(8, 257, 8) if tile not in _TILES)

NOT_EXPLAINED = "not explained"


def explain_inflation(point: MergedPoint) -> str:
    """Why executed over analytic FLOP is not 1.00; empty where it is, or is unknown.

    What is said follows from the numbers that are cited. FLOP on the FP32 units that
    the formula of a tensor kernel leaves out are told as well.
    """
    row = point.measurement
    if row is None or point.path_flops is None:
        return ""
    if not row.total_flops:
        return _work_of_a_mover(point)
    declared, ratio = row.datapath, point.flop_inflation
    reasons = []
    if point.datapath is not declared:
        reasons.append(
            f"ran on {point.datapath}, where {_flop(point.path_flops)} were counted: "
            f"the declared {declared} counted 0"
        )
    if ratio is not None and abs(ratio - 1) > CLOSE:
        reasons.append(_reason(point, row, ratio))
    reasons += _side_work(point, row)
    return "; ".join(reasons)


def _reason(point: MergedPoint, row: Measurement, ratio: float) -> str:
    if ratio == 0:
        return (
            f"{NOT_EXPLAINED}: 0 FLOP on {point.datapath}, and no unit that was "
            f"counted did half of the formula's {_flop(row.total_flops)}"
        )
    if point.datapath is Datapath.FP32:
        return _more_or_less_an_element(row, ratio)
    for reason in _paddings(row, ratio):
        return reason
    return f"{NOT_EXPLAINED}: {ratio:.4g} times the formula's FLOP, no tile fits"


def _paddings(row: Measurement, ratio: float) -> Iterator[str]:
    """Each padding that gives the ratio, the plainest first."""
    if ratio < 1:
        return
    if row.category == "MoE":
        yield from _expert_blocks(row, ratio)
    if row.point.phase is Phase.PREFILL and row.category == "Attention":
        yield from _causal_tiles(row, ratio)
    yield from _tiles(row, ratio)


def _tiles(row: Measurement, ratio: float) -> Iterator[str]:
    sizes = {"m": row.m, "n": row.n, "k": row.k}
    if row.point.kv_len is not None:
        sizes = {"kv_len": row.point.kv_len}
    elif not row.k:
        return
    one = [_padded(name, size, _TILES) for name, size in sizes.items()]
    odd = [_padded(name, size, _OTHER_TILES) for name, size in sizes.items()]
    # The m and n of the output are tiled in every GEMM, its k seldom.
    candidates = (
        *((_EXACT, fit) for fits in one for fit in fits),
        *((_EXACT, _both(*pair)) for pair in product(*one[:2]) if len(one) > 1),
        *((_EXACT, fit) for fits in odd for fit in fits),
        *((CLOSE, fit) for fits in one for fit in fits),
    )
    for tolerance, (factor, text) in candidates:
        if abs(ratio / factor - 1) <= tolerance:
            yield f"tile padding: {text}"


def _padded(name: str, size: int, tiles: tuple[int, ...]) -> list[tuple[float, str]]:
    """Factor and words of every length that the tiles would pad this size to."""
    by_length: dict[int, list[int]] = {}
    for tile in tiles:
        length = -(-size // tile) * tile
        if length > size:
            by_length.setdefault(length, []).append(tile)
    return [
        (
            length / size,
            f"{name} = {size} in tiles of {' or '.join(map(str, fits))} is {length}",
        )
        for length, fits in by_length.items()
    ]


def _both(first: tuple[float, str], second: tuple[float, str]) -> tuple[float, str]:
    return first[0] * second[0], f"{first[1]}, {second[1]}"


def _expert_blocks(row: Measurement, ratio: float) -> Iterator[str]:
    """Rows of grouped GEMMs, rounded up to whole blocks an expert.

    The row does not say how many rows each expert has. What it has to satisfy: rows
    come to whole blocks, and no more of them than one block a row.
    """
    rows = round(ratio * row.m)
    if not row.k:
        yield (
            f"MoE padding: {ratio:.4g} times the rows, each expert's rounded up to "
            f"whole blocks, whose size this record cannot tell"
        )
        return
    is_whole = abs(ratio * row.m / rows - 1) <= _EXACT
    fits = [tile for tile in _TILES if rows % tile == 0 and rows <= row.m * tile]
    if is_whole and fits:
        yield (
            f"MoE padding: m = {row.m} rows of all experts, rounded up to blocks an "
            f"expert, are {rows}, whole blocks of {' or '.join(map(str, fits))}"
        )


def _causal_tiles(row: Measurement, ratio: float) -> Iterator[str]:
    """Tiles across the diagonal compute scores that the causal mask drops."""
    length = row.point.seq_len
    masked = length * (length + 1) / 2
    # Narrower tiles of keys often do the same: the widest is named.
    widest = {
        queries: keys
        for queries, keys in product(_QUERY_TILES, _KEY_TILES)
        if abs(ratio / (_causal_scores(length, queries, keys) / masked) - 1) <= _EXACT
    }
    if widest:
        fits = " or ".join(f"{queries} x {keys}" for queries, keys in widest.items())
        yield (
            f"causal tiles across the diagonal: {ratio:.4g} times the masked half is "
            f"what tiles of up to {fits} (queries x keys) do"
        )
    more = (ratio - 1) * (length + 1) / 2
    # A tile of the largest sizes wastes no more than this of a query's row of keys.
    if more <= _TILES[-1]:
        yield (
            f"causal tiles across the diagonal: {more:.0f} keys a query beyond the "
            f"{(length + 1) / 2:.0f} that the mask leaves it on average"
        )


def _causal_scores(length: int, queries: int, keys: int) -> int:
    """Scores of all tiles that hold one that the causal mask keeps."""
    return sum(
        queries * -(-min(last, length) // keys) * keys
        for last in range(queries, length + queries, queries)
    )


def _more_or_less_an_element(row: Measurement, ratio: float) -> str:
    elements = row.m * row.n * max(row.k, 1)
    formula = row.total_flops / elements if elements else row.total_flops
    numbers = (
        f"{ratio * formula:.3g} FP32 FLOP executed an element, {formula:.3g} in the "
        f"formula"
    )
    if ratio < 1:
        return f"{numbers}: the rest ran as instructions that are not counted here"
    return f"{numbers}: division, exponentials and sums across threads expand"


def _side_work(point: MergedPoint, row: Measurement) -> list[str]:
    """FP32 FLOP beside those of the datapath, where the formula has none."""
    side = point.fp32_flops
    if point.datapath is Datapath.FP32 or not side or Datapath.FP32 in row.flops:
        return []
    share = side / row.total_flops
    if share <= CLOSE:
        return []
    what = "softmax and rescaling" if row.category == "Attention" else "FP32 side work"
    return [f"{what} besides, not in the formula: {_flop(side)}, {share:.1%} of it"]


def _work_of_a_mover(point: MergedPoint) -> str:
    if not point.path_flops:
        return ""
    return f"FP32 side work: {_flop(point.path_flops)} executed, none in the formula"


def _flop(count: float) -> str:
    return f"{count:.4g} FLOP"
