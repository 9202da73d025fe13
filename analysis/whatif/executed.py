"""What a kernel's tensor cores really execute: whole tiles, in whole waves.

A GEMM computes whole tiles, so one token costs as much as a tile has rows; and while
its last wave of tiles runs, multiprocessors without a tile wait. Both are read from
counted launches (executed FLOP, blocks); without counters the declared FLOP stand.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dsprof.analysis.merge import MergedPoint
from dsprof.harness.records import Measurement

# Executed over declared FLOP: above, tiles are mostly empty; below, only their rims.
_MOSTLY_EMPTY = 1.5
# One tile shape, if all launches with a multiprocessor to spare agree this well.
_SAME_TILE = 1.05
# Each token brings weights of its own: the bytes of two tokens are not those of one.
_ROUTED_GROWTH = 0.75
# A tile also fills its pipeline and writes its result: about two steps of 128 along k.
_TILE_EXTRA_K = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One counted point of a kernel."""

    tokens: int
    floor_flops_per_byte: float | None  # of mostly empty tiles, a byte read
    rim_flops_per_token: float | None  # executed beyond the declared, a token


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """How a kernel and op fill tiles, as far as counters show it."""

    seen: tuple[_Seen, ...]
    is_routed: bool  # each token brings weights of its own, as those of experts do
    tile_area: float | None  # rows times columns of an output tile
    sms: int

    def occupied_flops(self, row: Measurement, declared: float) -> float:
        """FLOP that the tensor cores could do in the time that they are held."""
        flops = max(declared, self._executed(row, declared))
        if self.tile_area is None or not row.k:
            return flops
        tiles = flops / (2 * self.tile_area * row.k)
        waves = math.ceil(round(tiles / self.sms, 6))
        longer = 1 + _TILE_EXTRA_K / row.k
        return longer * flops * waves * self.sms / tiles

    def _executed(self, row: Measurement, declared: float) -> float:
        floors = [one for one in self.seen if one.floor_flops_per_byte is not None]
        floor = 0.0
        if floors:
            near = min(floors, key=lambda one: _distance(one.tokens, row.point.tokens))
            floor = (near.floor_flops_per_byte or 0.0) * row.bytes_read
        if self.is_routed and floors:
            # The last tile of each expert is half empty on average.
            return max(floor, declared + floor / 2)
        rims = [one for one in self.seen if one.rim_flops_per_token is not None]
        if not rims:
            return floor
        near = min(rims, key=lambda one: _distance(one.tokens, row.point.tokens))
        rim = (near.rim_flops_per_token or 0.0) * row.point.tokens
        return max(floor, declared + rim)


def tiling(
    rows: Sequence[Measurement],
    counted: Sequence[MergedPoint],
    *,
    tile_area: float | None,
    sms: int,
) -> Tiling:
    """What the counted points of one kernel and op show; ``rows`` are its sweep."""
    return Tiling(
        seen=tuple(seen for point in counted if (seen := _seen(point)) is not None),
        is_routed=_is_routed(rows),
        tile_area=tile_area,
        sms=sms,
    )


def tile_area(counted: Sequence[MergedPoint], sms: int) -> float | None:
    """The one output tile that a kernel has at every size; None if it has several.

    Only a launch with fewer blocks than multiprocessors shows it: there, a block is
    one tile. A persistent kernel's blocks take as many tiles as there are.
    """
    areas = []
    for point in counted:
        row, flops = point.measurement, point.path_flops
        longest = max(point.launches, key=lambda one: one.duration_ns or 0)
        blocks = math.prod(longest.grid)
        if row is not None and row.k and flops and 0 < blocks < sms:
            areas.append(flops / (2 * row.k * blocks))
    if not areas or max(areas) > _SAME_TILE * min(areas):
        return None
    return max(areas)


def _seen(point: MergedPoint) -> _Seen | None:
    row, flops = point.measurement, point.path_flops
    if row is None or not flops or not row.bytes_read:
        return None
    declared = row.flops.get(point.datapath)
    if not declared:
        return None
    empty = flops > _MOSTLY_EMPTY * declared
    tokens = row.point.tokens
    return _Seen(
        tokens=tokens,
        floor_flops_per_byte=flops / row.bytes_read if empty else None,
        rim_flops_per_token=None if empty else max(flops - declared, 0) / tokens,
    )


def _is_routed(rows: Sequence[Measurement]) -> bool:
    """Whether the first tokens each add bytes to be read, as experts' weights do."""
    read = sorted({(row.point.tokens, row.bytes_read) for row in rows})[:2]
    if len(read) < 2 or not read[0][1]:  # noqa: PLR2004 -- a pair
        return False
    (few, first), (more, second) = read
    return second / first > _ROUTED_GROWTH * more / few


def _distance(tokens: int, others: int) -> float:
    return abs(math.log(tokens / others))
