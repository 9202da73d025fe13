"""What a point asks of each resource, in the seconds that the rated resource takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dsprof.analysis.merge import MergedPoint, merge_profile
from dsprof.analysis.whatif.target import Target
from dsprof.harness.device import Datapath
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One timed point: its time, and what it moves and computes."""

    row: Measurement
    time_s: float
    tensor_flops: Mapping[Datapath, float]
    vector_flops: float
    hbm_bytes: float  # that go to HBM in this cache state
    on_chip_bytes: float  # that the last cache delivers
    launches: int

    @property
    def tokens(self) -> int:
        return self.row.point.tokens

    def rated_tensor_s(self, source: Target) -> float:
        """The longest of the datapaths at their rated FLOP/s."""
        return max(
            (
                flops / source.flops_per_s[path]
                for path, flops in self.tensor_flops.items()
            ),
            default=0.0,
        )

    def rated_vector_s(self, source: Target) -> float:
        rate = source.flops_per_s.get(Datapath.FP32)
        return self.vector_flops / rate if rate and self.vector_flops else 0.0

    def rated_hbm_s(self, source: Target) -> float:
        return self.hbm_bytes / source.hbm_bytes_per_s

    def rated_on_chip_s(self, source: Target) -> float:
        return self.on_chip_bytes / source.on_chip_bytes_per_s


def timed_works(profile: Profile, cache: Cache) -> list[Work]:
    """Every timed point of a profile in one cache state, as recorded."""
    counted = [
        point
        for point in merge_profile(profile)
        if point.cache is cache and point.measurement is not None
    ]
    launches = _launches(counted)
    found = []
    for row in profile.measurements:
        timing = row.timing(cache)
        if timing is None:
            continue
        flops = {path: float(count) for path, count in row.flops.items()}
        vector = flops.pop(Datapath.FP32, 0.0)
        moved = float(row.total_bytes)
        # What a warm replay finds in the cache does not go to HBM.
        kept = min(moved, profile.device.l2_bytes) if cache is Cache.WARM else 0.0
        found.append(
            Work(
                row=row,
                time_s=timing.median_us * 1e-6,
                tensor_flops=flops,
                vector_flops=vector,
                hbm_bytes=max(moved - kept, 0.0),
                on_chip_bytes=moved,
                launches=launches.get((row.point.kernel, row.point.op), 1),
            )
        )
    return found


def _launches(counted: Sequence[MergedPoint]) -> dict[tuple[str, str], int]:
    """Launches of one call by kernel and op, as the counters saw them; the most."""
    found: dict[tuple[str, str], int] = {}
    for point in counted:
        if point.measurement is None:
            continue
        key = (point.measurement.point.kernel, point.measurement.point.op)
        found[key] = max(found.get(key, 1), len(point.launches))
    return found
