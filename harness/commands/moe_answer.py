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
    from dsprof.analysis.report.moe_pipeline_tables import (
        breakdown_tables,
        efficiency_table,
        pipeline_table,
        untimed_table,
    )
    from dsprof.analysis.report.moe_tables import minimum_table, per_token_table

    geometry = study.geometry
    name = f"{geometry.title}, {geometry.number_format.upper()}, {study.device.name}"
    print_table(f"Per token: {name}", per_token_table(study))
    print_table(f"Least time: {name}, {study.routing}", minimum_table(study))
    for kind in study.roofs:
        words = crossover_words(study.crossover(kind))
        click.echo(f"Crossover, {study.routing}, {kind} roof: {words}.")
    recorded = study.recorded
    if recorded.untimed:
        print_table(f"Whole pipelines without a time: {name}", untimed_table(study))
    if recorded.pipelines:
        print_table(f"Whole pipelines, measured: {name}", pipeline_table(study))
        print_table(f"Efficiency and error: {name}", efficiency_table(study))
    for pipeline, table in breakdown_tables(study).items():
        print_table(f"Stages of {pipeline}: {name}", table)
    if recorded.sums:
        print_table(f"Measured, sums of calls: {name}", actual_table(study))
    if not recorded.curves:
        click.echo(recorded.why_none)


def moe_files(
    studies: "Sequence[Study]", *, page: str, command: str
) -> dict[str, bytes]:
    """The page and its pictures, by name in the output folder."""
    from dsprof.analysis.plots.style import to_png
    from dsprof.analysis.report.moe import render_moe
    from dsprof.analysis.report.moe_figures import moe_drawings

    contents = {page: render_moe(studies, command).encode()}
    for study in studies:
        for path, draw in moe_drawings(study).items():
            contents[path] = to_png(draw())
    return contents


def plain_moe(study: "Study") -> dict[str, Any]:
    """Unrounded, in FLOP, bytes and seconds; a crossover that never comes is null."""
    from dsprof.analysis.moe.routing import Routing
    from dsprof.analysis.moe.speed import speed_ratios
    from dsprof.analysis.moe.work import activation_bytes
    from dsprof.harness.commands.moe_points import plain_reached

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
        "measured": [plain_reached(study, one) for one in study.reached()],
        "speed_ratios": {
            name: {str(tokens): ratio for tokens, ratio in ratios.items()}
            for name, ratios in speed_ratios(study.recorded).items()
        },
        "without_a_time": [
            {
                "way": row.point.kernel,
                "tokens": row.point.tokens,
                "status": str(row.status),
                "reason": row.reason,
            }
            for row in study.recorded.untimed
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
