"""What dsprof moe prints, gives as JSON, and writes."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from dsprof.harness.commands.printed_table import print_table
from dsprof.harness.plain import to_plain

if TYPE_CHECKING:
    from dsprof.analysis.moe.routing import Routing
    from dsprof.analysis.moe.study import Study


def print_moe(study: "Study") -> None:
    """Tables of one geometry, and where memory stops being its limit."""
    from dsprof.analysis.moe.observations import crossover_words
    from dsprof.analysis.report.moe_measured_tables import actual_table
    from dsprof.analysis.report.moe_tables import minimum_table, per_token_table

    geometry = study.geometry
    name = f"{geometry.title}, {geometry.number_format.upper()}, {study.device.name}"
    print_table(f"Per token: {name}", per_token_table(study))
    print_table(f"Least time: {name}, {study.routing}", minimum_table(study))
    for kind in study.roofs:
        words = crossover_words(study.crossover(kind))
        click.echo(f"Crossover, {study.routing}, {kind} roof: {words}.")
    if study.recorded.curves:
        print_table(f"Measured: {name}", actual_table(study))
    else:
        click.echo(study.recorded.why_none)


def moe_files(
    studies: "Sequence[Study]", *, page: str, command: str
) -> dict[str, bytes]:
    """The page and a chart a geometry, by name in the output folder."""
    from dsprof.analysis.plots.moe import moe_figure
    from dsprof.analysis.plots.style import to_png
    from dsprof.analysis.report.moe import figure_link, render_moe

    contents = {page: render_moe(studies, command).encode()}
    for study in studies:
        link = figure_link(study)
        contents[link.path] = to_png(moe_figure(study, title=link.title))
    return contents


def plain_moe(study: "Study") -> dict[str, Any]:
    """Unrounded, in FLOP, bytes and seconds; a crossover that never comes is null."""
    from dsprof.analysis.moe.routing import Routing
    from dsprof.analysis.moe.work import activation_bytes

    return {
        "device": study.device.name,
        "geometry": to_plain(study.geometry),
        "routing": str(study.routing),
        "roofs": to_plain(study.roofs),
        "per_token": {
            str(routing): {
                "flops": study.work(1, routing).flops,
                "activation_bytes": dict(activation_bytes(study.geometry, routing)),
            }
            for routing in Routing
        },
        "weight_bytes": study.geometry.local_weight_bytes,
        "crossover_tokens": {
            str(routing): {
                str(kind): _finite(study.crossover(kind, routing))
                for kind in study.roofs
            }
            for routing in Routing
        },
        "least": [
            _least(study, routing, tokens)
            for routing in Routing
            for tokens in study.tokens
        ],
        "measured": [
            {
                "way": one.curve.name,
                "cache": str(one.curve.cache),
                "tokens": one.point.tokens,
                "time_s": one.point.time_us * 1e-6,
                "experts": one.point.experts,
                "bound": str(one.bound),
                "efficiency": to_plain(one.efficiency),
                "stages": [
                    {"call": stage.call.label, "time_s": stage.time_us * 1e-6}
                    for stage in one.point.stages
                ],
            }
            for one in study.reached()
        ],
        "why_not_measured": study.recorded.why_none or None,
    }


def _least(study: "Study", routing: "Routing", tokens: int) -> dict[str, Any]:
    from dsprof.analysis.moe.bounds import least_time_s, regime

    done = study.work(tokens, routing)
    return {
        "routing": str(routing),
        "tokens": tokens,
        "rows": done.rows,
        "experts": done.experts,
        "flops": done.flops,
        "weight_bytes": done.weight_bytes,
        "activation_bytes": done.activation_bytes,
        "intensity_flop_per_byte": done.intensity,
        "bound": {str(k): str(regime(done, roof)) for k, roof in study.roofs.items()},
        "least_time_s": {
            str(k): least_time_s(done, roof) for k, roof in study.roofs.items()
        },
    }


def _finite(tokens: float) -> float | None:
    return None if math.isinf(tokens) else tokens
