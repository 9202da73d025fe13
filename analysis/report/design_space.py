"""A design space as Markdown: what was searched, what it costs, what is worth it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dsprof.analysis.numerals import significant
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.analysis.report.roofline import FigureLink
from dsprof.analysis.report.template import render
from dsprof.analysis.whatif.cost import KEYS, CostModel
from dsprof.analysis.whatif.design_grid import tied_datapaths
from dsprof.analysis.whatif.design_space import Design, Exploration
from dsprof.analysis.whatif.residency import Held
from dsprof.analysis.whatif.resource import Resource, amount
from dsprof.analysis.whatif.size_words import row_words, size_words

SHOWN_DESIGNS = 9
SOURCE, CHEAPEST = "as profiled", "cheapest that meets the target"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPart:
    """One layer's designs."""

    title: str
    rows: str
    figures: Sequence[FigureLink]
    picks: Table
    target: str
    cost_count: int
    cost_shown: str
    cost_front: Table
    power_count: int
    power_shown: str
    power_front: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignSpaceView:
    """Everything that design_space.md.j2 prints."""

    points: str
    axes: str
    machine: str
    tied: str
    cost_file: str
    held: Held
    coefficients: Table
    layers: list[LayerPart]


def render_design_space(
    found: Sequence[Exploration],
    *,
    target_s: float | None = None,
    figures: Mapping[str, FigureLink] | None = None,
) -> str:
    """The section of a sweep; ``figures`` has a picture by the words of its size."""
    if not found:
        return "## Design space\n\nNo layer of this profile has a time.\n"
    first = found[0]
    links = figures or {}
    return render(
        "design_space.md.j2",
        DesignSpaceView(
            points=f"{first.points:,}",
            axes=axes_words(first),
            machine=first.layer.source.name,
            tied=_tied_words(first),
            cost_file=first.costs.path.name,
            held=first.held,
            coefficients=coefficient_table(first.costs),
            layers=[_layer_part(one, target_s, links) for one in found],
        ),
    )


def axes_words(found: Exploration) -> str:
    """For example ``HBM bandwidth 1 TB/s to 16 TB/s (100 steps)``, for every axis."""
    return "; ".join(
        f"{resource.label} {amount(resource, float(values[0]))}"
        + (
            f" to {amount(resource, float(values[-1]))} ({len(values)} steps)"
            if len(values) > 1
            else ""
        )
        for resource, values in found.values.items()
    )


def _tied_words(found: Exploration) -> str:
    tied = tied_datapaths(found.layer.source, found.values)
    if not tied:
        return ""
    names = " and ".join(resource.label for resource in tied)
    leader = tied[next(iter(tied))].label
    return (
        f"In the source's ratio to the {leader}: the {names}, for the datapaths share "
        "one array of multipliers."
    )


def _layer_part(
    found: Exploration, target_s: float | None, figures: Mapping[str, FigureLink]
) -> LayerPart:
    title = size_words(found.layer)
    cheapest = None if target_s is None else found.cheapest(target_s)
    picks = [(SOURCE, found.source)]
    if cheapest is not None:
        picks.append((CHEAPEST, cheapest))
    cost_front, power_front = _spread(found.cost_front), _spread(found.power_front)
    return LayerPart(
        title=title,
        rows=row_words(found.layer),
        figures=[figures[title]] if title in figures else [],
        picks=design_table(picks, found),
        target=_target_words(found, target_s, cheapest),
        cost_count=len(found.cost_front),
        cost_shown=_shown_words(cost_front, found.cost_front),
        cost_front=design_table([("", one) for one in cost_front], found),
        power_count=len(found.power_front),
        power_shown=_shown_words(power_front, found.power_front),
        power_front=design_table([("", one) for one in power_front], found),
    )


def _target_words(
    found: Exploration, target_s: float | None, cheapest: Design | None
) -> str:
    if target_s is None:
        return ""
    target_ms = f"{significant(target_s * 1e3)} ms"
    if cheapest is not None:
        area = cheapest.area_mm2 / found.source.area_mm2
        return (
            f"Target {target_ms}: met at {significant(area)} times the area of "
            f"{found.layer.source.name}."
        )
    finite = found.latency_s[found.latency_s < math.inf]
    if not finite.size:
        return f"Target {target_ms}: no design has every datapath of the layer."
    least = significant(float(finite.min()) * 1e3)
    return f"Target {target_ms}: no design meets it. The quickest takes {least} ms."


def design_table(designs: Sequence[tuple[str, Design]], found: Exploration) -> Table:
    """A row a design: its resources, and what the models say of it."""
    named = any(name for name, _ in designs)
    return Table(
        headings=(
            *(("Design",) if named else ()),
            *(
                f">{resource.label[0].upper()}{resource.label[1:]}"
                for resource in found.values
            ),
            ">Layer (ms)",
            ">Tokens/s of a layer",
            ">Area (mm2)",
            ">Power (W)",
            ">Tokens/J",
            ">Tokens/s/mm2",
        ),
        rows=[
            [*((name,) if named else ()), *_design_cells(design, tuple(found.values))]
            for name, design in designs
        ],
    )


def _design_cells(design: Design, resources: Sequence[Resource]) -> list[Cell]:
    return [
        *(
            amount(resource, design.values[resource])
            if resource in design.values
            else "none"
            for resource in resources
        ),
        significant(design.latency_s * 1e3),
        significant(design.tokens_per_s),
        significant(design.area_mm2),
        significant(design.power_w),
        significant(design.tokens_per_joule),
        significant(design.tokens_per_s_mm2),
    ]


def _spread(front: Sequence[Design]) -> list[Design]:
    """Some of a front: both ends, and evenly between."""
    if len(front) <= SHOWN_DESIGNS:
        return list(front)
    last = len(front) - 1
    return [front[round(i * last / (SHOWN_DESIGNS - 1))] for i in range(SHOWN_DESIGNS)]


def _shown_words(shown: Sequence[Design], front: Sequence[Design]) -> str:
    return "" if len(shown) == len(front) else f", of which {len(shown)} are shown"


def coefficient_table(costs: CostModel) -> Table:
    return Table(
        headings=("Coefficient", ">Value", "Source"),
        rows=[
            [Code(f"{table}.{key}"), f"{costs.values[key]:g}", costs.sources[key]]
            for table, keys in KEYS.items()
            for key in keys
        ],
    )
