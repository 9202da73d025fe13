"""What a profile measured of the routed experts: a curve a way to run them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from dsprof.analysis.moe.geometry import BF16_BYTES, PROJECTIONS, Geometry
from dsprof.analysis.moe.launched import Launched, launched_calls
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Alternative,
    Cache,
    Call,
    LayerPath,
    Measurement,
    Status,
)

# The step of a served MoE layer from its router's logits to its experts' sum, and the
# parts of an expert that its GEMMs read, by op.
EXPERTS_STEP = "experts (fused)"
MATRICES = {EXPERTS_STEP: PROJECTIONS, "experts (gate_up)": 2, "experts (down)": 1}
TABLE_BYTES = 16  # at most, an assignment: ids, weights and the lists made of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One call of a way, with the median of its points at a number of tokens."""

    call: Call
    time_us: float

    @property
    def reads_weights(self) -> bool:
        return self.call.op in MATRICES


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """All stages at a number of tokens.

    ``experts`` are those that got a row in the run, None where its bytes do not tell.
    Stages were timed one by one, so what lies between them in a run is not in it.
    """

    tokens: int
    stages: tuple[Stage, ...]
    experts: int | None

    @property
    def time_us(self) -> float:
        return sum(stage.time_us for stage in self.stages)

    @property
    def gemm_us(self) -> float:
        """Of the calls that read experts' weights; all there is where one call does."""
        return sum(stage.time_us for stage in self.stages if stage.reads_weights)

    @property
    def others(self) -> list[Stage]:
        """Calls that read no experts' weights, the longest first."""
        rest = [stage for stage in self.stages if not stage.reads_weights]
        return sorted(rest, key=lambda stage: -stage.time_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One way to run the experts, under the name of the kernel with most FLOP."""

    name: str
    calls: tuple[Call, ...]
    cache: Cache
    points: tuple[CurvePoint, ...]  # by tokens

    def at(self, tokens: int) -> CurvePoint | None:
        return next((one for one in self.points if one.tokens == tokens), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The curves of a geometry, or why there are none."""

    curves: tuple[Curve, ...] = ()
    launched: tuple[Launched, ...] = ()  # of the curves' calls
    why_none: str = ""

    @property
    def tokens(self) -> tuple[int, ...]:
        """Every number of tokens that a curve has a point of."""
        return tuple(
            sorted({point.tokens for curve in self.curves for point in curve.points})
        )


def recorded_curves(profile: Profile, geometry: Geometry) -> Recorded:
    """The ways of the profile's layer that have a time, if it is of this geometry."""
    if why := _other_geometry(profile, geometry):
        return Recorded(why_none=why)
    ways = list(
        dict.fromkeys(
            alternative
            for slot in profile.slots
            if slot.path is LayerPath.AS_SERVED and slot.op == EXPERTS_STEP
            for alternative in slot.choices
        )
    )
    rows = _timed_rows(profile)
    curves = [curve for way in ways if (curve := _curve(way, rows, geometry))]
    if not curves:
        return Recorded(
            why_none=f"The profile of {profile.device.name} has no way to run them in "
            f"{geometry.number_format.upper()} of which every call has a time."
        )
    calls = {call for curve in curves for call in curve.calls if call.op in MATRICES}
    launched = launched_calls(profile, curves[0].cache)
    return Recorded(
        curves=tuple(curves),
        launched=tuple(one for one in launched if one.call in calls),
    )


def _other_geometry(profile: Profile, geometry: Geometry) -> str:
    """How the profile's experts differ from these; empty where they do not."""
    sizes = {parameter.name: parameter.value for parameter in profile.model}
    if not sizes:
        return f"The profile of {profile.device.name} does not say its model's sizes."
    wanted = {
        "n_routed_experts": geometry.experts,
        "num_experts_per_tok": geometry.top_k,
        "hidden_size": geometry.hidden,
        "moe_intermediate_size": geometry.intermediate,
    }
    differing = [
        f"{name} is {sizes.get(name, 'unknown')} there and {value} here"
        for name, value in wanted.items()
        if sizes.get(name) != value
    ]
    if geometry.local_experts != geometry.experts:
        # Kernels are recorded with the whole layer on one GPU.
        differing.append(
            f"all {geometry.experts} experts were on the GPU there, and "
            f"{geometry.local_experts} are here"
        )
    if not differing:
        return ""
    there = "; ".join(differing)
    return f"Nothing of this was measured on {profile.device.name}: {there}."


Rows = Mapping[Call, Mapping[int, Sequence[Measurement]]]


def _timed_rows(profile: Profile) -> Rows:
    """Timed rows of each call by tokens; a size may have several."""
    rows: dict[Call, dict[int, list[Measurement]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in profile.measurements:
        if row.status is Status.OK:
            call = Call(kernel=row.point.kernel, op=row.point.op)
            rows[call][row.point.tokens].append(row)
    return rows


def _curve(way: Alternative, rows: Rows, geometry: Geometry) -> Curve | None:
    """The way where all its calls have a time; None where one never has."""
    if not all(call in rows for call in way.calls):
        return None
    cache = _cache(way, rows)
    sizes = set.intersection(*(set(rows[call]) for call in way.calls))
    points = []
    for tokens in sorted(sizes):
        at = {call: rows[call][tokens] for call in way.calls}
        times = {call: _time_us(of_call, cache) for call, of_call in at.items()}
        stages = tuple(
            Stage(call=call, time_us=time_us)
            for call, time_us in times.items()
            if time_us is not None
        )
        if len(stages) == len(way.calls):
            experts = _experts_with_rows(at, geometry)
            points.append(CurvePoint(tokens=tokens, stages=stages, experts=experts))
    main = max(way.calls, key=lambda call: _most_flops(rows[call]))
    datapaths = {row.datapath for of_size in rows[main].values() for row in of_size}
    if not points or datapaths != {geometry.number_format.datapath}:
        return None
    return Curve(name=main.kernel, calls=way.calls, cache=cache, points=tuple(points))


def _cache(way: Alternative, rows: Rows) -> Cache:
    """Cold, as weights are when a layer's turn comes; warm where that is all."""
    is_cold = all(
        row.cold is not None
        for call in way.calls
        for of_size in rows[call].values()
        for row in of_size
    )
    return Cache.COLD if is_cold else Cache.WARM


def _time_us(rows: Sequence[Measurement], cache: Cache) -> float | None:
    """The median over the points of a size; None where none has that time."""
    times = [timing.median_us for row in rows if (timing := row.timing(cache))]
    return median(times) if times else None


def _most_flops(of_sizes: Mapping[int, Sequence[Measurement]]) -> int:
    return max(row.total_flops for rows in of_sizes.values() for row in rows)


def _experts_with_rows(
    rows: Mapping[Call, Sequence[Measurement]], geometry: Geometry
) -> int | None:
    """How many experts' weights a run read, by the bytes of a call that reads them.

    What else it reads, rows and tables, is known as a limit alone; None where that
    leaves several numbers.
    """
    for call, of_call in rows.items():
        if call.op not in MATRICES:
            continue
        row, tokens = of_call[0], of_call[0].point.tokens
        inputs = tokens if call.op == EXPERTS_STEP else tokens * geometry.top_k
        widest = max(geometry.hidden, geometry.intermediate)
        most_rest = inputs * BF16_BYTES * widest + tokens * geometry.top_k * TABLE_BYTES
        weights = geometry.weight_bytes(
            MATRICES[call.op] * geometry.hidden * geometry.intermediate
        )
        least, most = (
            -(-(row.bytes_read - most_rest) // weights),
            row.bytes_read // weights,
        )
        if min(least, geometry.local_experts) == min(most, geometry.local_experts):
            return min(most, geometry.local_experts)
    return None
