"""Energy out of the power that was read beside each point.

The board's power sensor is read once for each timing and refreshes about every 100 ms.
The cold reading comes after all warm replays of the same call, so it is that call's
where those lasted longer than a refresh. The warm reading comes as they begin: it is
partly that of whatever ran before, and is not used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dsprof.harness.ceiling import Ceiling, Duration, Pattern
from dsprof.harness.device import Datapath
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Measurement

REFRESH_S = 0.1  # of NVML's power reading, see Timing
PICO = 1e-12
_PATTERN = {
    Datapath.FP8_TENSOR: Pattern.FP8_DENSE,
    Datapath.BF16_TENSOR: Pattern.BF16_DENSE,
    Datapath.FP32: Pattern.FP32,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledPower:
    """A point whose power reading is its own."""

    row: Measurement
    power_w: float
    time_s: float  # of a call, warm

    @property
    def energy_j(self) -> float:
        """Of one call."""
        return self.power_w * self.time_s


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitEnergy:
    """What a measured roof's pattern draws for each byte or FLOP.

    ``dynamic_j`` is without the least power that the profile saw, which stands for
    what the board draws without work: an upper bound of it.
    """

    ceiling: Ceiling
    board_j: float
    dynamic_j: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyModel:
    """P = static + bytes x HBM energy + FLOP x the datapath's, from the roofs."""

    static_w: float
    hbm_j: float  # a byte
    flop_j: Mapping[Datapath, float]

    def energy_j(
        self, time_s: float, hbm_bytes: float, flops: Mapping[Datapath, float]
    ) -> float:
        return sum(self.parts_j(time_s, hbm_bytes, flops).values())

    def parts_j(
        self, time_s: float, hbm_bytes: float, flops: Mapping[Datapath, float]
    ) -> dict[str, float]:
        """Joules by cause; a datapath without a measured roof counts nothing."""
        return {
            "static": self.static_w * time_s,
            "HBM": self.hbm_j * hbm_bytes,
            "arithmetic": sum(
                self.flop_j.get(path, 0.0) * count for path, count in flops.items()
            ),
        }


def replays_s(profile: Profile, row: Measurement) -> float:
    """How long the warm replays of a point lasted, in front of its cold reading."""
    warm, first = row.warm, next(iter(profile.sweep.caches), None)
    if warm is None or warm.calls_per_sample is None or first is not Cache.WARM:
        return 0.0
    replays = profile.sweep.warmups + warm.samples
    return replays * warm.calls_per_sample * warm.median_us * 1e-6


def sampled(profile: Profile) -> list[SampledPower]:
    """Points that kept the GPU busy for a refresh before their cold reading."""
    return [
        SampledPower(
            row=row, power_w=row.cold.power_w, time_s=row.warm.median_us * 1e-6
        )
        for row in profile.measurements
        if row.warm is not None
        and row.cold is not None
        and row.cold.power_w > 0
        and replays_s(profile, row) >= REFRESH_S
    ]


def least_power_w(profile: Profile) -> float | None:
    """The least power of any reading; None without one."""
    readings = [
        timing.power_w
        for row in profile.measurements
        for timing in (row.warm, row.cold)
        if timing is not None and timing.power_w > 0
    ]
    return min(readings, default=None)


def unit_energies(profile: Profile) -> list[UnitEnergy]:
    """Energy a byte or FLOP of each roof that was held for longer than a refresh."""
    static = least_power_w(profile)
    if static is None:
        return []
    return [
        UnitEnergy(
            ceiling=ceiling,
            board_j=ceiling.power_w / ceiling.value,
            dynamic_j=max(ceiling.power_w - static, 0.0) / ceiling.value,
        )
        for ceiling in profile.ceilings
        if ceiling.duration is Duration.SUSTAINED
        and ceiling.seconds > REFRESH_S
        and ceiling.power_w > 0
        and ceiling.value > 0
    ]


def energy_model(profile: Profile) -> EnergyModel | None:
    """The model, where the profile has a power reading and a measured HBM read."""
    static = least_power_w(profile)
    energies = {one.ceiling.pattern: one.dynamic_j for one in unit_energies(profile)}
    if static is None or Pattern.HBM_READ not in energies:
        return None
    return EnergyModel(
        static_w=static,
        hbm_j=energies[Pattern.HBM_READ],
        flop_j={
            path: energies[pattern]
            for path, pattern in _PATTERN.items()
            if pattern in energies
        },
    )


def model_error_pct(model: EnergyModel, points: Sequence[SampledPower]) -> float:
    """Median error of the modelled power on points whose power was read."""
    import numpy as np

    errors = [
        abs(
            model.energy_j(one.time_s, one.row.total_bytes, one.row.flops)
            / one.energy_j
            - 1
        )
        for one in points
    ]
    return 100 * float(np.median(errors))


def constant_error_pct(points: Sequence[SampledPower]) -> float:
    """The same for one power for all points, their median: what is to be beaten."""
    import numpy as np

    power = np.array([one.power_w for one in points])
    return 100 * float(np.median(np.abs(np.median(power) / power - 1)))
