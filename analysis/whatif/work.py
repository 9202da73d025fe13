"""What a point asks of each resource: FLOP, bytes, rows and launches."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from dsprof.analysis.merge import MergedPoint, merge_profile
from dsprof.analysis.whatif.executed import Tiling, tile_area, tiling
from dsprof.analysis.whatif.traffic import Traffic, dirty_bytes, traffic
from dsprof.harness.device import Datapath, DeviceSpec
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Measurement, Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One timed point: its time, and what it moves and computes.

    ``tensor_flops`` are those that the tensor cores are held for: whole tiles in whole
    waves. ``rows`` stand for what a kernel without tensor work does for each row apart
    from its FLOP: addresses, conversions, loops.
    """

    row: Measurement
    time_s: float
    tensor_flops: Mapping[Datapath, float]
    vector_flops: float
    rows: int
    hbm_bytes: float
    on_chip_bytes: float
    launches: int

    @property
    def tokens(self) -> int:
        return self.row.point.tokens


class Works:
    """Makes the works of a kernel's points out of its rows and its counters."""

    def __init__(
        self,
        rows: Sequence[Measurement],
        counted: Sequence[MergedPoint],
        cache: Cache,
        device: DeviceSpec,
        dirty: float,
    ) -> None:
        self._cache = cache
        self._tilings: dict[str, Tiling] = {}
        self._traffics: dict[str, Traffic] = {}
        self._launches: dict[str, int] = {}
        self._on_fp32: set[str] = set()
        area = tile_area(counted, device.sms)
        for op in dict.fromkeys(row.point.op for row in rows):
            own = [point for point in counted if _op(point) == op]
            self._tilings[op] = tiling(
                [row for row in rows if row.point.op == op],
                own,
                tile_area=area,
                sms=device.sms,
            )
            self._traffics[op] = traffic(own, cache, device.l2_bytes, dirty)
            self._launches[op] = max((len(one.launches) for one in own), default=1)
            if any(point.datapath is Datapath.FP32 for point in own):
                self._on_fp32.add(op)

    def of(self, row: Measurement) -> Work | None:
        """The work of one row; None where it has no time in this cache state."""
        timing = row.timing(self._cache)
        if timing is None:
            return None
        op = row.point.op
        flops = {path: float(count) for path, count in row.flops.items() if count}
        vector = flops.pop(Datapath.FP32, 0.0)
        if op in self._on_fp32:  # counted on the FP32 units, whatever was declared
            vector, flops = vector + sum(flops.values()), {}
        held = self._tilings[op].occupied_flops
        return Work(
            row=row,
            time_s=timing.median_us * 1e-6,
            tensor_flops={path: held(row, count) for path, count in flops.items()},
            vector_flops=vector,
            rows=0 if flops else row.m,
            hbm_bytes=self._traffics[op].hbm_bytes(row),
            on_chip_bytes=self._traffics[op].on_chip_bytes(row),
            launches=self._launches[op],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A kernel's rows with a time, and its counted points, in one cache state."""

    kernel: str
    cache: Cache
    device: DeviceSpec
    dirty_bytes: float
    rows: tuple[Measurement, ...]
    counted: tuple[MergedPoint, ...]

    def works(self, without: Collection[int] = ()) -> tuple[list[Work], list[Work]]:
        """Works of the points kept and of those left out, by their token counts.

        What was counted at token counts that are left out is left out too.
        """
        kept = [row for row in self.rows if row.point.tokens not in without]
        counted = [
            point
            for point in self.counted
            if point.measurement and point.measurement.point.tokens not in without
        ]
        rows = [*kept, *(row for row in self.rows if row.point.tokens in without)]
        makes = Works(kept or rows, counted, self.cache, self.device, self.dirty_bytes)
        made = [work for row in rows if (work := makes.of(row)) is not None]
        return made[: len(kept)], made[len(kept) :]


def sweeps(profile: Profile, cache: Cache) -> dict[str, Sweep]:
    """Every kernel with a timed point in this cache state, by name, as recorded."""
    rows: dict[str, list[Measurement]] = {}
    for row in profile.measurements:
        if row.timing(cache) is not None:
            rows.setdefault(row.point.kernel, []).append(row)
    counted: dict[str, list[MergedPoint]] = {}
    for point in merge_profile(profile):
        if point.cache is cache and point.measurement is not None:
            counted.setdefault(point.measurement.point.kernel, []).append(point)
    l2_bytes = profile.device.l2_bytes
    dirty = dirty_bytes([one for own in counted.values() for one in own], l2_bytes)
    return {
        name: Sweep(
            kernel=name,
            cache=cache,
            device=profile.device,
            dirty_bytes=dirty,
            rows=tuple(own),
            counted=tuple(counted.get(name, ())),
        )
        for name, own in rows.items()
    }


class ProfileKey:
    """A profile as a key: itself alone, as comparing all its rows takes too long."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile

    def __hash__(self) -> int:
        return id(self.profile)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProfileKey) and other.profile is self.profile


def works_by_point(profile: Profile, cache: Cache) -> Mapping[Point, Work]:
    """Every timed point of a profile in one cache state; kept for the last profiles."""
    return _by_point(ProfileKey(profile), cache)


@lru_cache(maxsize=2 * len(Cache))
def _by_point(key: ProfileKey, cache: Cache) -> Mapping[Point, Work]:
    works = timed_works(key.profile, cache)
    return MappingProxyType({work.row.point: work for work in works})


def timed_works(profile: Profile, cache: Cache) -> list[Work]:
    """Every timed point of a profile in one cache state, kernel by kernel."""
    return list(_all(sweeps(profile, cache).values()))


def _all(each: Iterable[Sweep]) -> Iterable[Work]:
    for sweep in each:
        yield from sweep.works()[0]


def _op(point: MergedPoint) -> str:
    return point.measurement.point.op if point.measurement else ""
