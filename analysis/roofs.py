"""Roofs with names: the rated one, and those measured in a burst and for long.

The memory roof is what reading reaches: most of inference's traffic is weights and
caches that are read once, and copy and triad are lower for their changes between
reading and writing. The compute roof is that of the datapath's own pattern.
"""

from enum import StrEnum

from dsprof.harness.ceiling import Ceiling, Duration, Pattern
from dsprof.harness.device import Datapath, DeviceSpec
from dsprof.harness.profile import Profile
from dsprof.harness.records import Roof

MEMORY_PATTERN = Pattern.HBM_READ
COMPUTE_PATTERNS = {  # no load is measured in FP4
    Datapath.FP8_TENSOR: Pattern.FP8_DENSE,
    Datapath.BF16_TENSOR: Pattern.BF16_DENSE,
    Datapath.FP32: Pattern.FP32,
}


class RoofKind(StrEnum):
    """Where a roof's numbers are from."""

    SPEC = "spec"  # the data sheet
    BURST = "burst"  # measured in the first 50 ms after a rest
    SUSTAINED = "sustained"  # measured at the end of 5 s


MEASURED = {
    RoofKind.BURST: Duration.BURST,
    RoofKind.SUSTAINED: Duration.SUSTAINED,
}


def roofs(profile: Profile, datapath: Datapath) -> dict[RoofKind, Roof]:
    """The roofs of a datapath that the profile has both numbers of, by kind.

    Their names say the kind and the GPU, such as "burst h200-sxm".
    """
    device = profile.device
    found: dict[RoofKind, Roof] = {}
    if datapath in device.flops_per_s:
        found[RoofKind.SPEC] = Roof(
            name=roof_name(RoofKind.SPEC, device),
            flops_per_s=device.peak(datapath),
            bytes_per_s=device.hbm_bytes_per_s,
        )
    for kind, duration in MEASURED.items():
        values = {
            ceiling.pattern: ceiling.value
            for ceiling in profile.ceilings
            if ceiling.duration is duration
        }
        compute = COMPUTE_PATTERNS.get(datapath)
        if compute in values and MEMORY_PATTERN in values:
            found[kind] = Roof(
                name=roof_name(kind, device),
                flops_per_s=values[compute],
                bytes_per_s=values[MEMORY_PATTERN],
            )
    return found


def compute_ceilings(profile: Profile, datapath: Datapath) -> dict[RoofKind, Ceiling]:
    """What the FLOP/s of the measured roofs were read from, by kind."""
    return {
        kind: ceiling
        for kind, duration in MEASURED.items()
        for ceiling in profile.ceilings
        if ceiling.duration is duration
        and ceiling.pattern is COMPUTE_PATTERNS.get(datapath)
    }


def roof_name(kind: RoofKind, device: DeviceSpec) -> str:
    """For example ``spec h200-sxm``."""
    return f"{kind} {device.id}"


def rated(device: DeviceSpec, pattern: Pattern) -> float | None:
    """What the data sheet allows a pattern, byte/s or FLOP/s; None where it is silent.

    No data sheet rates L2, nor a datapath that the chip lacks.
    """
    if pattern is Pattern.L2_READ:
        return None
    if pattern.moves_bytes:
        return device.hbm_bytes_per_s
    (datapath,) = (path for path, own in COMPUTE_PATTERNS.items() if own is pattern)
    return device.flops_per_s.get(datapath)
