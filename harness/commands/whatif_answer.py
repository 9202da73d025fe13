"""What dsprof whatif found, printed, as JSON values, and as files."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

import click

from dsprof.analysis.report.markdown import Table, table, text
from dsprof.analysis.report.whatif_fits import joined, left_out_line
from dsprof.analysis.report.whatif_tables import (
    assumptions,
    call_table,
    impossible_calls,
    machine_table,
    sum_table,
    target_table,
)
from dsprof.analysis.whatif.fit import COVERED
from dsprof.analysis.whatif.left_out import LONG_S, LeftOutPoint, errors
from dsprof.analysis.whatif.passes import Pass, PassProjection
from dsprof.analysis.whatif.projection import Estimate, LayerProjection
from dsprof.analysis.whatif.target import Target
from dsprof.harness.commands.printed_table import print_table

PAGE, VALUES = "whatif.md", "whatif.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One pass and where it was projected onto."""

    taken: Pass
    on: tuple[PassProjection, ...]

    @property
    def targets(self) -> list[Target]:
        return [self.taken.fits.source, *(one.target for one in self.on)]


def print_answer(answer: Answer) -> None:
    """Tables and the lines that a reader needs with them."""
    for title, data in _tables(answer):
        print_table(title, data)
    for line in _notes(answer):
        click.echo(line)


def answer_files(answer: Answer) -> dict[str, bytes]:
    """The same as Markdown, and the values as JSON, by file name."""
    (title, first), *others = _tables(answer)
    parts = [f"# {text(title)}", table(first)]
    parts += [f"## {text(name)}\n\n{table(data)}" for name, data in others]
    parts.append("\n".join(f"* {text(line)}" for line in _notes(answer)))
    values = json.dumps(plain_answer(answer), indent=1)
    return {
        PAGE: ("\n\n".join(parts) + "\n").encode(),
        VALUES: f"{values}\n".encode(),
    }


def plain_answer(answer: Answer) -> dict[str, Any]:
    """JSON values; a time is null where the machine lacks what the call needs."""
    layer, fits = answer.taken.layer, answer.taken.fits
    every = joined(fits.left_out)
    return {
        "source": _plain_target(answer.taken.fits.source),
        "size": answer.taken.size.title,
        "kv_len": layer.kv_len,
        "path": layer.path,
        "cache": layer.cache,
        "missing": layer.missing,
        "left_out": {
            "all": _plain_errors(every, 0.0),
            "long": _plain_errors(every, LONG_S),
            "extrapolated": _plain_errors(joined(fits.extrapolated), 0.0),
        },
        "targets": [
            {
                "target": _plain_target(one.target),
                "layer": _plain_sum(one.layer),
                "model": None if one.model is None else _plain_sum(one.model),
                "calls": _plain_calls(one.layer),
            }
            for one in answer.on
        ],
    }


def _plain_errors(points: list[LeftOutPoint], least_s: float) -> dict[str, Any]:
    """Of points that take at least so long; null where there is none."""
    found = errors(points, least_s=least_s)
    return {
        "points": found.points,
        "median_pct": found.median_pct if found.points else None,
        "p90_pct": found.p90_pct if found.points else None,
    }


def _title(answer: Answer) -> str:
    machines = answer.on[0].target.name if len(answer.on) == 1 else "the known GPUs"
    return f"{answer.taken.fits.source.name} on {machines}: {answer.taken.title}"


def _tables(answer: Answer) -> Iterator[tuple[str, Table]]:
    """Of one machine its calls and sums; of several, a line each."""
    if len(answer.on) == 1:
        yield _title(answer), call_table(answer.on[0].layer)
        yield "Sums", sum_table(answer.on[0])
    else:
        yield _title(answer), machine_table(answer.on)
    yield "Machines", target_table(answer.targets)


def _notes(answer: Answer) -> Iterator[str]:
    """What the tables do not say."""
    yield left_out_line(answer.taken.fits)
    yield (
        f"Interval: where {100 * COVERED:.0f} % of a kernel's points lie that its fit "
        "has not seen; sums as if all erred to one side. At most: also with every term "
        "that was never reached about to limit the call on the source. *: limited by "
        "such a term, at its rated value."
    )
    yield (
        "HBM traffic is the source's, whatever the target keeps on chip; the fixed "
        "part follows the launch latency, and HBM latency is in no term."
    )
    for line in assumptions(answer.targets):
        yield f"~ {line}"
    for one in answer.on:
        if lacking := impossible_calls(one.layer):
            yield f"{one.target.name}: sums leave out {lacking}."
    whole = answer.taken.model
    if missing := (whole or answer.taken.layer).missing:
        yield f"≥ is a lower bound. Without a time: {', '.join(missing)}."
    if whole is None:
        yield "Whole model: the profile does not say how many layers it has."


def _plain_target(target: Target) -> dict[str, Any]:
    return {
        "name": target.name,
        "flops_per_s": dict(target.flops_per_s),
        "hbm_bytes_per_s": target.hbm_bytes_per_s,
        "hbm_latency_s": target.hbm_latency_s,
        "on_chip_bytes": target.on_chip_bytes,
        "on_chip_bytes_per_s": target.on_chip_bytes_per_s,
        "launch_latency_s": target.launch_latency_s,
        "power_w": target.power_w,
        "assumed": dict(target.assumed),
    }


def _plain_sum(projection: LayerProjection) -> dict[str, Any]:
    tokens, total = projection.layer.tokens, projection.total
    return {
        "measured_s": projection.layer.time_s,
        "projected": _plain_estimate(total),
        "tokens_per_s": tokens / total.time_s if total.time_s else None,
        "is_lower_bound": projection.is_lower_bound,
        "left_out_error_pct": projection.error_pct,
    }


def _plain_calls(projection: LayerProjection) -> list[dict[str, Any]]:
    return [
        {
            "kernel": one.call.kernel,
            "op": one.call.op,
            "count": one.call.count,
            "measured_s": one.call.time_s,
            "projected": _plain_estimate(one.estimate),
            "limit_before": one.before,
            "limit_after": one.after if one.is_possible else None,
            "lacking": one.lacking,
            "left_out_error_pct": one.call.error_pct,
            "not_identified": one.call.not_identified,
        }
        for one in projection.calls
    ]


def _plain_estimate(estimate: Estimate) -> dict[str, float] | None:
    if not isfinite(estimate.time_s):
        return None
    return {
        "time_s": estimate.time_s,
        "low_s": estimate.low_s,
        "high_s": estimate.high_s,
        "at_most_s": estimate.at_most_s,
    }
