"""The padding to whole tiles that makes a kernel execute more FLOP than its formula."""

import math
from collections.abc import Iterator
from itertools import product

from dsprof.analysis.merge import MergedPoint
from dsprof.analysis.tiles import (
    Padding,
    Tile,
    attention_tile,
    gemm_tile,
    paddings,
)
from dsprof.harness.records import Measurement, Phase

CLOSE = 0.005  # ratios nearer to 1 than this are 1.00
# Tensor FLOP are counted exactly, so a padding that is the reason gives their ratio.
EXACT = 1e-6
_TILES = (8, 16, 32, 64, 128, 256)
_QUERY_TILES = (64, 128, 192, 256)
_KEY_TILES = tuple(range(16, 257, 16))
_OTHER_TILES = tuple(tile for tile in range(8, 257, 8) if tile not in _TILES)


def explain_padding(
    point: MergedPoint, row: Measurement, ratio: float
) -> Iterator[str]:
    """Each padding that gives executed over analytic tensor FLOP, the plainest first.

    A tile that the kernel's name states goes before any other: where it does not give
    the ratio, no tile is guessed. A ratio that rounds to 1.00 has to be its exactly.
    """
    if ratio - 1 <= EXACT:
        return
    is_little = ratio - 1 <= CLOSE
    if row.k and row.category != "MoE" and tiles_of(point):
        yield from _named_tiles(point, row, ratio, EXACT)
        if not is_little:
            yield from _named_tiles(point, row, ratio, CLOSE)
        return
    if row.category == "MoE":
        yield from _expert_blocks(point, row, ratio)
    if row.point.phase is Phase.PREFILL and row.category == "Attention":
        yield from _causal_tiles(point, row, ratio)
    yield from _guessed_tiles(row, ratio)


def tiles_of(point: MergedPoint) -> tuple[Tile, ...]:
    """The tiles that the names of the point's launches state, each once."""
    tiles = (gemm_tile(launch.kernel_name) for launch in point.launches)
    return tuple(dict.fromkeys(tile for tile in tiles if tile))


def _named_tiles(
    point: MergedPoint, row: Measurement, ratio: float, tolerance: float
) -> Iterator[str]:
    for launch in point.launches:
        tile = gemm_tile(launch.kernel_name)
        if tile is None:
            continue
        for padding in paddings(tile, (row.m, row.n, row.k), math.prod(launch.grid)):
            if abs(ratio / padding.factor - 1) <= tolerance:
                yield f"tile padding: {_in_words(tile, padding)}"


def _in_words(tile: Tile, padding: Padding) -> str:
    grown = [
        (f"{name} = {size} is {length}", length / size)
        for name, size, length in zip("mnk", padding.sizes, padding.padded, strict=True)
        if length > size
    ]
    text = f"tile {tile} (its name)"
    if padding.in_clusters:
        text += " in clusters of {}x{}".format(*tile.cluster)
    text += f": {', '.join(words for words, _ in grown)}"
    if tile.splits_k and padding.padded[2] > padding.sizes[2]:
        more = "" if padding.is_by_grid else " or more"
        text += f" in {padding.splits}{more} splits of whole blocks of {tile.k}"
    if len(grown) > 1:
        factors = " * ".join(f"{factor:.4g}" for _, factor in grown)
        text += f": {factors} = {padding.factor:.4g}"
    return text


def _guessed_tiles(row: Measurement, ratio: float) -> Iterator[str]:
    sizes = {"m": row.m, "n": row.n, "k": row.k}
    if row.point.kv_len is not None:
        sizes = {"kv_len": row.point.kv_len}
    elif not row.k:
        return
    one = [_padded(name, size, _TILES) for name, size in sizes.items()]
    odd = [_padded(name, size, _OTHER_TILES) for name, size in sizes.items()]
    # The m and n of the output are tiled in every GEMM, its k seldom.
    candidates = (
        *((EXACT, fit) for fits in one for fit in fits),
        *((EXACT, _both(*pair)) for pair in product(*one[:2]) if len(one) > 1),
        *((EXACT, fit) for fits in odd for fit in fits),
        *((CLOSE, fit) for fits in one for fit in fits if ratio - 1 > CLOSE),
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


def _expert_blocks(point: MergedPoint, row: Measurement, ratio: float) -> Iterator[str]:
    """Rows of grouped GEMMs, rounded up to whole blocks an expert.

    The row does not say how many rows each expert has. What it has to satisfy: rows
    come to whole blocks, and no more of them than one block a row. The experts of one
    token differ, so each of its rows is alone in a block, whose size is the ratio.
    """
    tiles = tiles_of(point)
    name = f" of tile {' or '.join(map(str, tiles))} (its name)" if tiles else ""
    blocks = [round(ratio)] if row.point.tokens == 1 and ratio.is_integer() else []
    if not row.k:
        size = f"{blocks[0]}{name}" if blocks else name[len(" of ") :]
        known = f" of {size}" if size else ", whose size this record cannot tell"
        yield (
            f"MoE padding: {ratio:.4g} times the rows, each expert's rounded up to "
            f"whole blocks{known}"
        )
        return
    rows = round(ratio * row.m)
    sides = sorted({side for tile in tiles for side in (tile.first, tile.second)})
    fits = blocks or [
        side for side in sides or _TILES if rows % side == 0 and rows <= row.m * side
    ]
    if fits and abs(ratio * row.m / rows - 1) <= EXACT:
        up_to = "" if blocks or sides else "up to "
        size = " or ".join(map(str, fits if sides else fits[-1:]))
        yield (
            f"MoE padding: m = {row.m} rows, each expert's rounded up to whole blocks "
            f"of {up_to}{size}{name}, are {rows}"
        )


def _causal_tiles(point: MergedPoint, row: Measurement, ratio: float) -> Iterator[str]:
    """Tiles across the diagonal compute scores that the causal mask drops."""
    length = row.point.seq_len
    masked = length * (length + 1) / 2
    said = (
        f"causal tiles across the diagonal: {ratio:.4g} times the masked half is what"
    )
    named = {attention_tile(launch.kernel_name) for launch in point.launches}
    # Narrower tiles of keys often do the same: the widest is named.
    widest: dict[int, int] = {}
    for tile in (*filter(None, named), *product(_QUERY_TILES, _KEY_TILES)):
        if abs(ratio / (_causal_scores(length, *tile) / masked) - 1) > EXACT:
            continue
        if tile in named:
            yield f"{said} tiles of {tile[0]} x {tile[1]} (queries x keys, its name) do"
        widest[tile[0]] = tile[1]
    if widest:
        fits = " or ".join(f"{queries} x {keys}" for queries, keys in widest.items())
        yield f"{said} tiles of up to {fits} (queries x keys) do"
    more = (ratio - 1) * (length + 1) / 2
    # A tile of the largest sizes wastes no more than this of a query's row of keys.
    if more <= _TILES[-1] and ratio - 1 > CLOSE:
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
