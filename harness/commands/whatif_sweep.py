"""dsprof whatif --sweep: machines that do not exist yet, for one layer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from dsprof.analysis.numerals import plural, significant
from dsprof.analysis.report.design_space import (
    axes_words,
    design_table,
    render_design_space,
)
from dsprof.analysis.report.roofline import FigureLink
from dsprof.analysis.whatif.cost import COST_TOML, CostModel, read_cost
from dsprof.analysis.whatif.design_space import Design, Exploration, explore
from dsprof.analysis.whatif.design_sweep import DesignSweep, parse_sweep
from dsprof.analysis.whatif.passes import Pass
from dsprof.analysis.whatif.quantity import (
    ACCEPTED,
    QuantityError,
    Unit,
    read_quantity,
)
from dsprof.analysis.whatif.residency import Held
from dsprof.analysis.whatif.resource import Resource, amount, value_of
from dsprof.analysis.whatif.size_words import size_words
from dsprof.harness.commands.printed_table import print_table
from dsprof.harness.errors import UsageError
from dsprof.harness.profile import Profile

PAGE, VALUES = "design-space.md", "design-space.json"
FIGURE = "figures/design-space.png"
SHOWN = 9  # designs of a front, in the terminal
MILLI = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedSweep:
    """What the options ask for."""

    sweep: DesignSweep
    points: int
    within_s: float | None
    costs: CostModel


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepAnswer:
    """A design space of one layer, and the latency that a design has to meet."""

    found: Exploration
    within_s: float | None

    @property
    def cheapest(self) -> Design | None:
        return None if self.within_s is None else self.found.cheapest(self.within_s)


def asked_sweep(options: Mapping[str, Any]) -> AskedSweep:
    """The command's options as values; a UsageError says what is wrong with one."""
    within = options["within"]
    sweep = parse_sweep(options["sweep"])
    sweep.values(options["points"])  # too many points are refused here
    return AskedSweep(
        sweep=sweep,
        points=options["points"],
        within_s=None if within is None else _within(within),
        costs=read_cost(options["costs"] or COST_TOML),
    )


def sweep_answer(profile: Profile, taken: Pass, asked: AskedSweep) -> SweepAnswer:
    """The layer of the pass on every machine of the sweep."""
    (found,) = explore(
        [taken.layer],
        asked.sweep,
        points=asked.points,
        costs=asked.costs,
        held=Held.of(profile),
    )
    return SweepAnswer(found=found, within_s=asked.within_s)


def print_sweep(answer: SweepAnswer) -> None:
    """The machine of the profile, the one to take, and both fronts."""
    found, cheapest = answer.found, answer.cheapest
    click.echo(f"{plural(found.points, 'design')}: {axes_words(found)}.")
    picks = [("as profiled", found.source)]
    if cheapest is not None:
        picks.append(("cheapest in time", cheapest))
    print_table(f"MoE layer, {size_words(found.layer)}", design_table(picks, found))
    if answer.within_s is not None and cheapest is None:
        click.echo(_none_words(answer.within_s, found))
    for title, front in (
        ("Latency against area", found.cost_front),
        ("Latency against power", found.power_front),
    ):
        shown = [("", one) for one in _some(front)]
        print_table(
            f"{title}: {len(shown)} of {len(front)}", design_table(shown, found)
        )
    click.echo(
        "Area and power are of a simple model; only ratios between designs mean "
        f"anything. Its coefficients: {found.costs.path}."
    )


def _none_words(within_s: float, found: Exploration) -> str:
    """How quick the quickest is, and what might make one quicker."""
    quickest = found.cost_front[0].latency_s * MILLI
    source = found.layer.source
    held = [
        f"{one.label} {amount(one, value)}"
        for one in (Resource.BANDWIDTH, Resource.ON_CHIP_BANDWIDTH, Resource.LAUNCH)
        if one not in found.values and (value := value_of(source, one)) is not None
    ]
    words = f"No design takes {significant(within_s * MILLI)} ms or less; the quickest "
    words += f"takes {significant(quickest)} ms."
    return f"{words} As on the source, in all of them: {', '.join(held)}."


def sweep_files(answer: SweepAnswer) -> dict[str, bytes]:
    """The page, its figure and the values, by file name."""
    from dsprof.analysis.plots.design_space import design_space_figure
    from dsprof.analysis.plots.style import to_png

    title = size_words(answer.found.layer)
    page = render_design_space(
        [answer.found],
        target_s=answer.within_s,
        figures={title: FigureLink(path=FIGURE, title=f"Design space, {title}")},
    )
    figure = design_space_figure(answer.found, target_s=answer.within_s)
    return {
        PAGE: page.encode(),
        VALUES: (json.dumps(plain_sweep(answer), indent=1) + "\n").encode(),
        FIGURE: to_png(figure),
    }


def plain_sweep(answer: SweepAnswer) -> dict[str, Any]:
    """JSON values, in base units; of the grid itself only its axes."""
    found, cheapest = answer.found, answer.cheapest
    return {
        "layer": size_words(found.layer),
        "points": found.points,
        "axes": {
            str(resource): [float(values[0]), float(values[-1]), len(values)]
            for resource, values in found.values.items()
        },
        "within_s": answer.within_s,
        "source": _plain_design(found.source),
        "cheapest": None if cheapest is None else _plain_design(cheapest),
        "cost_front": [_plain_design(one) for one in found.cost_front],
        "power_front": [_plain_design(one) for one in found.power_front],
    }


def _within(text: str) -> float:
    try:
        return read_quantity(text, Unit.SECONDS)
    except QuantityError as error:
        raise UsageError(
            f"--within is '{text}': {error}. Give {ACCEPTED[Unit.SECONDS]}."
        ) from None


def _some(front: Sequence[Design]) -> list[Design]:
    """Both ends of a front, and evenly between."""
    if len(front) <= SHOWN:
        return list(front)
    step = (len(front) - 1) / (SHOWN - 1)
    return [front[round(index * step)] for index in range(SHOWN)]


def _plain_design(design: Design) -> dict[str, Any]:
    return {
        "values": {str(key): value for key, value in design.values.items()},
        "latency_s": design.latency_s,
        "tokens_per_s": design.tokens_per_s,
        "area_mm2": design.area_mm2,
        "power_w": design.power_w,
        "tokens_per_joule": design.tokens_per_joule,
    }
