"""The machine that a projection is for: what it does per second, and what it holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dsprof.harness.ceiling import Duration, Pattern
from dsprof.harness.device import Datapath, DeviceSpec, known_devices
from dsprof.harness.profile import Profile

# An H200's measured 9.49 TB/s of L2 reads over its 4.8 TB/s of HBM.
ON_CHIP_OVER_HBM = 1.98
# What the smallest kernels of an H200 take in a graph, and how much longer when
# nothing is in L2: for a profile without a single time.
LAUNCH_LATENCY_S = 1.15e-6
HBM_LATENCY_S = 1.5e-6
SMALLEST = 10  # points whose difference between cold and warm is looked at
US = 1e-6

Found = tuple[float, str]  # a value, and why it is assumed; "" where it was measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Resources of a GPU, or of one that does not exist yet.

    Rates are the rated ones, as in ``gpus.toml``; what a kernel reaches of them is the
    model's affair. ``assumed`` names the fields that nobody stated, with the reason
    for the value that stands there.
    """

    name: str
    flops_per_s: Mapping[Datapath, float]  # dense; fp32 is the vector rate
    hbm_bytes_per_s: float
    on_chip_bytes: float  # the last cache before HBM, or the SRAM in its place
    on_chip_bytes_per_s: float  # what it delivers to the cores
    hbm_latency_s: float  # of a dependent read that misses every cache
    launch_latency_s: float  # from one kernel's end to the next one's start, in a graph
    power_w: float | None = None  # None where nobody states it
    sms: int | None = None  # cores that share the on-chip memory; None: not stated
    assumed: Mapping[str, str] = field(default_factory=dict)

    def has(self, datapath: Datapath) -> bool:
        return datapath in self.flops_per_s


def source_target(profile: Profile) -> Target:
    """The machine that a profile was recorded on, by its rated limits.

    What no data sheet rates comes from the profile: L2 bandwidth from its measured
    ceiling, latencies from its smallest kernels.
    """
    device = profile.device
    found = {
        "on_chip_bytes_per_s": _on_chip_bytes_per_s(profile),
        "hbm_latency_s": _hbm_latency_s(profile),
        "launch_latency_s": _launch_latency_s(profile),
    }
    values = {key: value for key, (value, _) in found.items()}
    return Target(
        name=device.name,
        flops_per_s=dict(device.flops_per_s),
        hbm_bytes_per_s=device.hbm_bytes_per_s,
        on_chip_bytes=float(device.l2_bytes),
        **values,
        power_w=_power_w(device),
        sms=device.sms,
        assumed={key: why for key, (_, why) in found.items() if why},
    )


def target_of_device(spec: DeviceSpec, source: Target) -> Target:
    """A known GPU as a target; what its data sheet lacks comes from the source."""
    on_chip_bytes_per_s, why = _scaled_on_chip(spec, source)
    assumed = {
        "on_chip_bytes_per_s": why,
        "hbm_latency_s": f"as {source.name}: data sheets do not rate it",
        "launch_latency_s": f"as {source.name}: data sheets do not rate it",
    }
    return Target(
        name=spec.name,
        flops_per_s=dict(spec.flops_per_s),
        hbm_bytes_per_s=spec.hbm_bytes_per_s,
        on_chip_bytes=float(spec.l2_bytes),
        on_chip_bytes_per_s=on_chip_bytes_per_s,
        hbm_latency_s=source.hbm_latency_s,
        launch_latency_s=source.launch_latency_s,
        power_w=spec.power_w,
        sms=spec.sms,
        assumed=assumed,
    )


def _power_w(device: DeviceSpec) -> float | None:
    """As the profile has it, or as today's list of GPUs: older profiles lack it."""
    known = known_devices().get(device.id)
    if device.power_w is None and known is not None and known.name == device.name:
        return known.power_w
    return device.power_w


def _scaled_on_chip(spec: DeviceSpec, source: Target) -> Found:
    """By multiprocessors: each has a port to L2, and as many bytes go through it."""
    if source.sms is None:
        scale = spec.hbm_bytes_per_s / source.hbm_bytes_per_s
        why = f"as {source.name} for each byte/s of HBM: data sheets do not rate it"
    else:
        scale = spec.sms / source.sms
        why = f"as {source.name} for each multiprocessor: data sheets do not rate it"
    return source.on_chip_bytes_per_s * scale, why


def _on_chip_bytes_per_s(profile: Profile) -> Found:
    measured = [
        ceiling.value
        for ceiling in profile.ceilings
        if ceiling.pattern is Pattern.L2_READ and ceiling.duration is Duration.BURST
    ]
    if measured:
        return max(measured), ""
    value = ON_CHIP_OVER_HBM * profile.device.hbm_bytes_per_s
    return value, (
        f"{ON_CHIP_OVER_HBM} times the HBM rate, as measured on an H200: this profile "
        "has no measured L2 read"
    )


def _launch_latency_s(profile: Profile) -> Found:
    """The shortest warm time: a kernel that does next to nothing, node to node."""
    warm = [row.warm.median_us for row in profile.measurements if row.warm is not None]
    if warm:
        return min(warm) * US, ""
    cold = [row.cold.median_us for row in profile.measurements if row.cold is not None]
    if cold:
        return min(cold) * US, "the shortest cold time: this profile has no warm one"
    return LAUNCH_LATENCY_S, "as measured on an H200: this profile has no time"


def _hbm_latency_s(profile: Profile) -> Found:
    """How much longer the smallest kernels take when nothing is in L2.

    An upper bound: a kernel may wait for several reads in a row, and its own code is
    not in L2 either.
    """
    both = sorted(
        (row.warm.median_us, row.cold.median_us - row.warm.median_us)
        for row in profile.measurements
        if row.warm is not None and row.cold is not None
    )
    waits = sorted(wait for _, wait in both[:SMALLEST] if wait > 0)
    if not waits:
        return HBM_LATENCY_S, (
            "as seen on an H200's smallest kernels: this profile has none with a warm "
            "and a longer cold time"
        )
    return waits[0] * US, (
        "upper bound: the least that one of the smallest kernels takes longer cold "
        "than warm"
    )
