"""Projections of a layer as tables, for the command and for the page."""

from collections.abc import Sequence

from dsprof.analysis.numerals import MISSING, plural, significant
from dsprof.analysis.report.hardware import datapath_name
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.analysis.report.whatif_names import MEGA, MICRO, TERA, TERM_NAMES
from dsprof.analysis.whatif.passes import PassProjection
from dsprof.analysis.whatif.projection import CallProjection, LayerProjection
from dsprof.analysis.whatif.target import Target
from dsprof.harness.device import Datapath

ASSUMED_NAMES = {
    "on_chip_bytes_per_s": "On-chip bandwidth",
    "launch_latency_s": "Launch latency",
}
RATED = "*"  # marks a limit that no point of the kernel's sweep reached


def call_table(projection: LayerProjection) -> Table:
    """Each call of the layer: one call's time measured and projected, and its limit."""
    return Table(
        headings=(
            "Kernel",
            "Op",
            ">Calls",
            ">Measured (us)",
            ">Projected (us)",
            ">Interval (us)",
            ">At most (us)",
            "Limit",
            ">Left-out (%)",
            "Never reached",
        ),
        rows=[_call_row(one) for one in projection.calls],
    )


def sum_table(projection: PassProjection) -> Table:
    """The layer, the model and the tokens a second, measured and projected."""
    rows = [_sum_row("MoE layer (us)", projection.layer)]
    if projection.model is not None:
        rows += [
            _sum_row("whole model (us)", projection.model),
            _rate_row("tokens/s", projection.model),
        ]
    return Table(
        headings=(
            "Sum",
            ">Measured",
            ">Projected",
            ">Interval",
            ">At worst",
            ">Times as fast",
            ">Left-out (%)",
        ),
        rows=rows,
    )


def machine_table(projections: Sequence[PassProjection]) -> Table:
    """One pass on each machine: the layer's time and the model's tokens a second."""
    return Table(
        headings=(
            "Machine",
            ">MoE layer (us)",
            ">Interval (us)",
            ">At most (us)",
            ">Times as fast",
            ">Whole model (us)",
            ">tokens/s",
            ">Interval (tokens/s)",
            "Cannot run",
        ),
        rows=[_machine_row(one) for one in projections],
    )


def target_table(targets: Sequence[Target]) -> Table:
    """What each machine has; ``~`` marks what nobody states of it."""
    return Table(
        headings=(
            "Machine",
            *(f">{datapath_name(path)} (TFLOP/s)" for path in Datapath),
            ">HBM (TB/s)",
            ">On chip (MB)",
            ">On chip (TB/s)",
            ">Launch (us)",
            ">Power (W)",
        ),
        rows=[_target_row(one) for one in targets],
    )


def assumptions(targets: Sequence[Target]) -> list[str]:
    """One line a value of ``target_table`` that nobody states, with its machines."""
    machines: dict[tuple[str, str], list[str]] = {}
    for target in targets:
        for key, name in ASSUMED_NAMES.items():
            if key in target.assumed:
                found = machines.setdefault((name, target.assumed[key]), [])
                found.append(target.name)
    return [
        f"{name} of {', '.join(names)}: {why}."
        for (name, why), names in machines.items()
    ]


def impossible_calls(projection: LayerProjection) -> str:
    """How many calls need a datapath that the target lacks; empty for none."""
    calls = projection.impossible
    if not calls:
        return ""
    lacking = dict.fromkeys(path for one in calls for path in one.lacking)
    names = ", ".join(map(datapath_name, lacking))
    return f"{plural(len(calls), 'call')} for want of {names}"


def _limits(one: CallProjection) -> str:
    """The term that takes most of the time here, and there if it is another.

    One that no point of the sweep reached is marked: it stands at its rated value.
    """
    before = TERM_NAMES[one.before]
    if not one.is_possible:
        return f"no {', '.join(map(datapath_name, one.lacking))}"
    after = TERM_NAMES[one.after] + (RATED if one.rests_on_rating else "")
    return before if after == before else f"{before} to {after}"


def _between(low: float, high: float) -> str:
    """For example ``118 to 131``."""
    return f"{significant(low)} to {significant(high)}"


def _call_row(one: CallProjection) -> tuple[Cell, ...]:
    call, estimate = one.call, one.estimate
    times = (MISSING, MISSING, MISSING)
    if one.is_possible:
        times = (
            significant(estimate.time_s * MICRO),
            _between(estimate.low_s * MICRO, estimate.high_s * MICRO),
            significant(estimate.at_most_s * MICRO),
        )
    return (
        Code(call.kernel),
        Code(call.op),
        f"{call.count:g}",
        significant(call.time_s * MICRO),
        *times,
        _limits(one),
        significant(call.error_pct, 2),
        ", ".join(TERM_NAMES[term] for term in call.not_identified) or MISSING,
    )


def _sum_row(name: str, projection: LayerProjection) -> tuple[Cell, ...]:
    measured = "≥ " if projection.layer.missing else ""
    return (
        name,
        f"{measured}{significant(projection.layer.time_s * MICRO)}",
        *_total(projection),
        significant(projection.speedup),
        significant(projection.error_pct, 2),
    )


def _rate_row(name: str, model: LayerProjection) -> tuple[Cell, ...]:
    measured = "≤ " if model.layer.missing else ""
    return (
        name,
        f"{measured}{significant(model.layer.tokens / model.layer.time_s)}",
        *_rates(model),
        significant(model.speedup),
        significant(model.error_pct, 2),
    )


def _machine_row(one: PassProjection) -> tuple[Cell, ...]:
    model: tuple[str, ...] = (MISSING, MISSING, MISSING)
    if one.model is not None:
        model = (_total(one.model)[0], *_rates(one.model)[:2])
    return (
        one.target.name,
        *_total(one.layer),
        significant(one.layer.speedup),
        *model,
        impossible_calls(one.layer) or MISSING,
    )


def _total(projection: LayerProjection) -> tuple[str, str, str]:
    """Microseconds of all calls that the target can do: time, interval, upper bound."""
    total = projection.total
    if not total.time_s:
        return MISSING, MISSING, MISSING
    sign = "≥ " if projection.is_lower_bound else ""
    return (
        f"{sign}{significant(total.time_s * MICRO)}",
        _between(total.low_s * MICRO, total.high_s * MICRO),
        significant(total.at_most_s * MICRO),
    )


def _rates(model: LayerProjection) -> tuple[str, str, str]:
    """Tokens a second: of the projected time, of its interval, of its upper bound."""
    total, tokens = model.total, model.layer.tokens
    if not total.time_s:
        return MISSING, MISSING, MISSING
    sign = "≤ " if model.is_lower_bound else ""
    return (
        f"{sign}{significant(tokens / total.time_s)}",
        _between(tokens / total.high_s, tokens / total.low_s),
        significant(tokens / total.at_most_s),
    )


def _target_row(target: Target) -> tuple[Cell, ...]:
    def stated(key: str, value: float) -> str:
        return f"{'~ ' if key in target.assumed else ''}{significant(value)}"

    rates = (target.flops_per_s.get(path) for path in Datapath)
    return (
        target.name,
        *(MISSING if rate is None else significant(rate / TERA, 4) for rate in rates),
        significant(target.hbm_bytes_per_s / TERA),
        significant(target.on_chip_bytes / MEGA),
        stated("on_chip_bytes_per_s", target.on_chip_bytes_per_s / TERA),
        stated("launch_latency_s", target.launch_latency_s * MICRO),
        MISSING if target.power_w is None else significant(target.power_w),
    )
