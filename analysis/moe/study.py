"""One geometry on one GPU: its roofs, least times, and how near what was run came."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dsprof.analysis.moe.bounds import (
    MOST_TOKENS,
    crossover_tokens,
    least_time_s,
    regime,
)
from dsprof.analysis.moe.curves import Curve, CurvePoint
from dsprof.analysis.moe.geometry import Geometry
from dsprof.analysis.moe.recorded import Recorded, recorded_curves
from dsprof.analysis.moe.routing import Routing
from dsprof.analysis.moe.work import Work, least_memory_bytes, work
from dsprof.analysis.numerals import scaled_bytes
from dsprof.analysis.roofs import RoofKind, compute_ceilings, roof_name, roofs
from dsprof.harness.ceiling import Ceiling
from dsprof.harness.device import DeviceSpec, known_devices
from dsprof.harness.errors import UsageError
from dsprof.harness.profile import Profile
from dsprof.harness.records import Bound, Roof


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A point of a curve beside the least time of what it did.

    Bytes are compulsory: the weights of the experts that got a row, a row in and out.
    """

    curve: Curve
    point: CurvePoint
    done: Work
    bound: Bound  # under the roof that regimes are told by
    efficiency: Mapping[RoofKind, float]  # least time over measured time

    @property
    def bytes_per_s(self) -> float:
        return self.done.total_bytes / (self.point.time_us * 1e-6)

    @property
    def flops_per_s(self) -> float:
        return self.done.flops / (self.point.time_us * 1e-6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Everything that a page says of one geometry; nothing of it is rounded.

    ``roofs`` has the rated one, and measured ones where the profile has them;
    ``ceilings`` says how the FLOP/s of the measured ones were reached.
    """

    device: DeviceSpec
    geometry: Geometry
    routing: Routing
    tokens: tuple[int, ...]
    roofs: Mapping[RoofKind, Roof]
    recorded: Recorded
    ceilings: Mapping[RoofKind, Ceiling] = field(default_factory=dict)

    @property
    def rated(self) -> Roof:
        return self.roofs[RoofKind.SPEC]

    @property
    def main_kind(self) -> RoofKind:
        """The roof that regimes are told by: measured in a burst, or else rated."""
        return RoofKind.BURST if RoofKind.BURST in self.roofs else RoofKind.SPEC

    @property
    def main(self) -> Roof:
        return self.roofs[self.main_kind]

    def work(self, tokens: float, routing: Routing | None = None) -> Work:
        return work(self.geometry, routing or self.routing, tokens)

    def crossover(self, kind: RoofKind, routing: Routing | None = None) -> float:
        return crossover_tokens(
            self.geometry, routing or self.routing, self.roofs[kind]
        )

    def reached(self) -> list[Reached]:
        """Every measured point, by curve and tokens."""
        return [
            self._reached(curve, point)
            for curve in self.recorded.curves
            for point in curve.points
        ]

    def _reached(self, curve: Curve, point: CurvePoint) -> Reached:
        done = work(
            self.geometry, Routing.EXPECTED, point.tokens, experts=point.experts
        )
        return Reached(
            curve=curve,
            point=point,
            done=done,
            bound=regime(done, self.main),
            efficiency={
                kind: least_time_s(done, roof) / (point.time_us * 1e-6)
                for kind, roof in self.roofs.items()
            },
        )


def analytic_study(
    device: DeviceSpec, geometry: Geometry, routing: Routing, tokens: Sequence[int]
) -> Study:
    """Nothing measured: rated roofs alone. UsageErrors for what cannot be asked."""
    path = geometry.number_format.datapath
    rated = Roof(
        name=roof_name(RoofKind.SPEC, device),
        flops_per_s=device.peak(path),
        bytes_per_s=device.hbm_bytes_per_s,
    )
    _check(device, geometry, routing, tokens)
    return Study(
        device=device,
        geometry=geometry,
        routing=routing,
        tokens=tuple(sorted(set(tokens))),
        roofs={RoofKind.SPEC: rated},
        recorded=Recorded(
            why_none=f"Analytic only: no profile of {device.name} is used here, and "
            "all of this follows from sizes and rated roofs."
        ),
    )


def recorded_study(
    profile: Profile, geometry: Geometry, routing: Routing, tokens: Sequence[int]
) -> Study:
    """With the profile's measured roofs, and its curves where it has the geometry."""
    device, path = profile.device, geometry.number_format.datapath
    device.peak(path)  # a UsageError where the chip has none
    _check(device, geometry, routing, tokens)
    return Study(
        device=device,
        geometry=geometry,
        routing=routing,
        tokens=tuple(sorted(set(tokens))),
        roofs=roofs(profile, path),
        recorded=recorded_curves(profile, geometry),
        ceilings=compute_ceilings(profile, path),
    )


def _check(
    device: DeviceSpec, geometry: Geometry, routing: Routing, tokens: Iterable[int]
) -> None:
    """A UsageError for a routing or a number of tokens that cannot be."""
    if routing is Routing.FORCED_LOCAL and geometry.top_k > geometry.local_experts:
        raise UsageError(
            f"Top-k {geometry.top_k} cannot be forced onto {geometry.local_experts} "
            "local experts. Give more --local-experts, or --routing expected."
        )
    for count in tokens:
        if count < 1:
            raise UsageError(f"T is {count}. Give at least one token.")
        if count > MOST_TOKENS:
            raise UsageError(
                f"A T is more than {MOST_TOKENS:,.0f}, beyond any batch. Give fewer "
                "--tokens."
            )
        memory, needed = memory_bytes(device), least_memory_bytes(geometry, count)
        if memory is not None and needed > memory:
            raise UsageError(
                f"T = {count:,} does not fit: the weights of "
                f"{geometry.local_experts} experts and a BF16 row in and out a token "
                f"take {scaled_bytes(needed)}, and {device.name} has "
                f"{scaled_bytes(memory)}. Give fewer --tokens or --local-experts."
            )


def memory_bytes(device: DeviceSpec) -> int | None:
    """The GPU's DRAM; None where nobody states it."""
    return rated_spec(device).memory_bytes


def rated_spec(device: DeviceSpec) -> DeviceSpec:
    """The GPU, as it is listed where a profile does not say its memory."""
    if device.memory_bytes is not None:
        return device
    return known_devices().get(device.id, device)
