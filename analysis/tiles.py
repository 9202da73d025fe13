"""The tiles that a kernel's name states: what its GEMM or attention works in."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from dsprof.analysis.name_normal import normalize

MOST_SPLITS = 32

_CACHED_NAMES = 4096
_SMALLEST_TILE = 8  # of an MMA instruction; clusters are smaller
_LARGEST_CLUSTER = 16  # blocks
_NVJET = re.compile(
    r"nvjet(?:_sm\d+)?_[a-z]+_(?P<first>\d+)x(?P<second>\d+)_(?P<k>\d+)x\d+"
    r"_(?P<cluster>\d+x\d+)_(?P<rest>\w+)"
)
_TILESIZE = re.compile(r"_tilesize(?P<first>\d+)x(?P<second>\d+)x(?P<k>\d+)_")
_CUTLASS_2 = re.compile(r"cutlass_\d+_\w+gemm\w*_(?P<tile>\d+x\d+)_(?P<k>\d+)x\d+_")
_CUTLASS_3 = re.compile(r"cutlass::device_kernel<.*gemm")
_TRIPLE = re.compile(r"cute::tuple<cute::C<(\d+)>, cute::C<(\d+)>, cute::C<(\d+)>>")
# Its parameters: tokens, n, k, and the tile of n, of tokens and of k.
_FUSED_A = re.compile(r"fused_a_gemm_kernel<\d+, \d+, \d+, (\d+), (\d+), (\d+), \d+>")
# Its parameters: bulk loads or not, the head's sizes, then queries and keys of a tile.
_FLASHINFER = re.compile(
    r"flashinfer::AttentionKernelTraits<\w+, \d+, \d+, (\d+), (\d+),"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """What a block of a GEMM works on: part of the output, a step of k at a time."""

    first: int
    second: int
    k: int
    cluster: tuple[int, int] = (1, 1)  # blocks that start together
    splits_k: bool = False
    first_is_n: bool = True  # cuBLAS is column-major, so its first size is our n

    def __str__(self) -> str:
        return f"{self.first}x{self.second}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Padding:
    """A GEMM's sizes in whole tiles, clusters and splits of k."""

    sizes: tuple[int, int, int]  # m, n, k
    padded: tuple[int, int, int]
    in_clusters: bool
    splits: int
    is_by_grid: bool  # else ``splits`` is the fewest that pad k so

    @property
    def factor(self) -> float:
        """FLOP of the padded sizes over those of the sizes."""
        return math.prod(self.padded) / math.prod(self.sizes)


@lru_cache(maxsize=_CACHED_NAMES)
def gemm_tile(kernel_name: str) -> Tile | None:
    """The tile that a GEMM's name states; None where it states none."""
    match = _NVJET.match(kernel_name)
    if match:
        one, other = map(int, match["cluster"].split("x"))
        return _tile(match, cluster=(one, other), splits_k="splitK" in match["rest"])
    match = _TILESIZE.search(kernel_name)
    if match:
        return _tile(match)
    match = _CUTLASS_2.search(kernel_name)
    if match:
        first, second = map(int, match["tile"].split("x"))
        return Tile(first=first, second=second, k=int(match["k"]))
    normal = normalize(kernel_name)
    match = _FUSED_A.search(normal)
    if match:
        first, second, k = map(int, match.groups())
        return Tile(first=first, second=second, k=k)
    return _cutlass_3(normal) if _CUTLASS_3.search(normal) else None


def attention_tile(kernel_name: str) -> tuple[int, int] | None:
    """Queries and keys of a tile, where the name of an attention kernel has them."""
    match = _FLASHINFER.search(normalize(kernel_name))
    return (int(match[1]), int(match[2])) if match else None


def paddings(tile: Tile, sizes: tuple[int, int, int], blocks: int) -> Iterator[Padding]:
    """Every way in which a tile may pad m, n and k, the likelier first.

    A tile may lie on the output in either direction, may be padded to whole clusters
    and, where k is split, to as many steps in every split. ``blocks`` is the launch's
    grid: where it is whole tiles times a number of splits, that number comes first.
    """
    m, n, k = sizes
    for n_first, in_clusters in product(
        (tile.first_is_n, not tile.first_is_n), (False, True)
    ):
        if in_clusters and tile.cluster == (1, 1):
            continue
        one, other = tile.cluster if in_clusters else (1, 1)
        units = (tile.first * one, tile.second * other)
        n_unit, m_unit = units if n_first else units[::-1]
        padded_m, padded_n = _whole(m, m_unit), _whole(n, n_unit)
        tiles = padded_m * padded_n // (tile.first * tile.second)
        for splits, padded_k, is_by_grid in _splits(tile, k, blocks, tiles):
            yield Padding(
                sizes=sizes,
                padded=(padded_m, padded_n, padded_k),
                in_clusters=in_clusters,
                splits=splits,
                is_by_grid=is_by_grid,
            )


def _splits(
    tile: Tile, k: int, blocks: int, tiles: int
) -> Iterator[tuple[int, int, bool]]:
    """Splits of k, its length in them, and whether the grid says so."""
    steps = -(-k // tile.k)
    if not tile.splits_k:
        yield 1, steps * tile.k, True
        return
    lengths = {s: -(-steps // s) * s * tile.k for s in range(2, MOST_SPLITS + 1)}
    by_grid, rest = divmod(blocks, tiles)
    if not rest and by_grid in lengths:
        yield by_grid, lengths[by_grid], True
    # A grid that stays on the SMs and takes tile after tile does not say.
    fewest = {length: splits for splits, length in reversed(lengths.items())}
    for length, splits in sorted(fewest.items(), key=lambda item: item[1]):
        yield splits, length, False


def _whole(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def _tile(
    match: re.Match[str], *, cluster: tuple[int, int] = (1, 1), splits_k: bool = False
) -> Tile:
    return Tile(
        first=int(match["first"]),
        second=int(match["second"]),
        k=int(match["k"]),
        cluster=cluster,
        splits_k=splits_k,
    )


def _cutlass_3(normal: str) -> Tile | None:
    """Tile and cluster are both three constants, in either order."""
    triples = [tuple(map(int, sizes)) for sizes in _TRIPLE.findall(normal)]
    tiles = [sizes for sizes in triples if min(sizes) >= _SMALLEST_TILE]
    clusters = [sizes for sizes in triples if math.prod(sizes) <= _LARGEST_CLUSTER]
    if not tiles:
        return None
    first, second, k = tiles[0]
    one, other, _ = clusters[0] if clusters else (1, 1, 1)
    return Tile(first=first, second=second, k=k, cluster=(one, other), first_is_n=False)
