"""What a profile measured of the routed experts: a curve a way to run them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from dsprof.analysis.moe.curves import Curve, CurvePoint, Stage
from dsprof.analysis.moe.experts_read import (
    EXPERTS_STEP,
    MATRICES,
    WHOLE_STEP,
    experts_with_rows,
)
from dsprof.analysis.moe.geometry import Geometry, NumberFormat
from dsprof.analysis.moe.launched import Launched, launched_calls
from dsprof.analysis.moe.pipelines import pipeline_curves, untimed_pipelines
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Alternative,
    Cache,
    Call,
    LayerPath,
    Measurement,
    Status,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The curves of a geometry, or why there are none.

    ``pipelines`` were timed whole, ``sums`` are added up from calls timed one by one.
    """

    pipelines: tuple[Curve, ...] = ()
    sums: tuple[Curve, ...] = ()
    untimed: tuple[Measurement, ...] = ()  # planned points of whole pipelines
    launched: tuple[Launched, ...] = ()  # of the curves' calls
    why_none: str = ""

    @property
    def curves(self) -> tuple[Curve, ...]:
        """Both, the whole pipelines first."""
        return (*self.pipelines, *self.sums)

    @property
    def preferred(self) -> tuple[Curve, ...]:
        """The whole pipelines, or the sums where those are all there is."""
        return self.pipelines or self.sums

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
            if all(call.op != WHOLE_STEP for call in alternative.calls)
        )
    )
    rows = _timed_rows(profile)
    sums = tuple(curve for way in ways if (curve := _curve(way, rows, geometry)))
    pipelines = pipeline_curves(profile, geometry)
    untimed = untimed_pipelines(profile, geometry)
    if not sums and not pipelines:
        return Recorded(
            untimed=untimed,
            why_none=f"The profile of {profile.device.name} has no way to run them in "
            f"{geometry.number_format.upper()} of which every call has a time.",
        )
    curves = (*pipelines, *sums)
    calls = {call for curve in curves for call in curve.calls if call.op in MATRICES}
    launched = launched_calls(profile, curves[0].cache)
    return Recorded(
        pipelines=pipelines,
        sums=sums,
        untimed=untimed,
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
    # Older profiles do not state these.
    stated = {"n_group": geometry.groups, "topk_group": geometry.top_groups}
    if geometry.number_format is NumberFormat.FP8:
        stated["weight_block_size"] = geometry.block_size
    wanted |= {name: value for name, value in stated.items() if name in sizes}
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
            in_order = [row for of_call in at.values() for row in of_call[:1]]
            experts = experts_with_rows(in_order, geometry)
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
