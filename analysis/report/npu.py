"""npu.md: what a profile says to the designer of an inference accelerator."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dsprof.analysis.moe.experts_read import has_whole_steps_alone
from dsprof.analysis.npu.compute_balance import shares_pct
from dsprof.analysis.npu.confidence import name_of
from dsprof.analysis.npu.energy import EnergyModel, energy_model
from dsprof.analysis.npu.layers import NpuData, npu_data
from dsprof.analysis.npu.link_bytes import Parallel
from dsprof.analysis.npu.report import ONE_CHIP, npu_sections
from dsprof.analysis.npu.section import Grid, Recommendation, Section
from dsprof.analysis.npu.token_energy import token_parts_j
from dsprof.analysis.numerals import plural, significant
from dsprof.analysis.plots.npu_shares import shares_figure
from dsprof.analysis.report.markdown import Code, Table
from dsprof.analysis.report.roofline import FigureLink
from dsprof.analysis.report.template import render
from dsprof.harness.profile import Profile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIMITS_FIGURE = FigureLink(
    path="figures/npu-limits.png", title="What limits the layer, by size"
)
ENERGY_FIGURE = FigureLink(
    path="figures/npu-energy.png", title="Energy of a token in one layer"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionView:
    """One section with its tables, and the figure that belongs to it."""

    number: int
    section: Section
    tables: list[tuple[str, Table]]
    figures: list[FigureLink]


@dataclass(frozen=True, slots=True, kw_only=True)
class NpuView:
    """Everything that npu.md.j2 prints."""

    profile: Profile
    basis: str
    missing: tuple[str, ...]
    overview: Table
    sections: list[SectionView]


def render_npu(
    profile: Profile,
    *,
    data: NpuData | None = None,
    parallel: Parallel = ONE_CHIP,
    figures: Sequence[FigureLink] = (),
) -> str | None:
    """The page as Markdown; None for a profile without a row of any kind.

    None also where whole steps alone were timed, which are no calls of a layer.

    ``data`` is for a caller that has it. ``parallel`` adds its chips to the usual ones
    of the interconnect section. ``figures`` are those that will lie beside the page.
    """
    if not (profile.measurements or profile.counters or profile.timelines):
        return None
    if has_whole_steps_alone(profile) and not profile.timelines:
        return None
    known = npu_data(profile) if data is None else data
    sections = npu_sections(known, parallel)
    return render(
        "npu.md.j2",
        NpuView(
            profile=profile,
            basis=_basis(known),
            missing=known.missing,
            overview=_overview(sections),
            sections=[
                SectionView(
                    number=number,
                    section=section,
                    tables=[(grid.title, _table(grid)) for grid in section.tables],
                    figures=[one for one in figures if one in _OF[number]]
                    if number in _OF
                    else [],
                )
                for number, section in enumerate(sections, start=1)
            ],
        ),
    )


_OF = {1: (LIMITS_FIGURE,), 9: (ENERGY_FIGURE,)}


def _basis(data: NpuData) -> str:
    """Of what the page speaks: sizes, path, cache state."""
    if not data.layers:
        count = plural(len(data.profile.measurements), "planned point")
        return f"No layer can be added up: none of {count} has a time."
    titles = ", ".join(layer.title for layer in data.layers)
    if not data.whole:
        return (
            f"Every timed call once at {titles}, {data.cache} L2: no step of a layer "
            "has a time in this profile."
        )
    return f"One MoE layer, path {data.path}, at {titles}, {data.cache} L2."


def npu_drawings(data: NpuData) -> "Sequence[tuple[FigureLink, Callable[[], Figure]]]":
    """The figures of the page, each drawn when called; none without a layer."""
    if not data.layers:
        return []
    drawings = [(LIMITS_FIGURE, partial(_limits_figure, data))]
    model = energy_model(data.profile)
    if model is not None:
        drawings.append((ENERGY_FIGURE, partial(_energy_figure, data, model)))
    return drawings


def _limits_figure(data: NpuData) -> "Figure":
    return shares_figure(
        {
            layer.title: {
                name_of(term): share for term, share in shares_pct(layer).items()
            }
            for layer in data.layers
        },
        {
            layer.title: f"{significant(layer.time_s * 1e6)} us a layer"
            for layer in data.layers
        },
        title=f"{LIMITS_FIGURE.title}, {data.profile.device.name}, {data.cache} L2",
        axis="Share of the layer's time (%)",
    )


def _energy_figure(data: NpuData, model: EnergyModel) -> "Figure":
    parts = {layer.title: token_parts_j(layer, model) for layer in data.layers}
    totals = {title: sum(one.values()) for title, one in parts.items()}
    return shares_figure(
        {
            title: {
                cause: 100 * joules / totals[title] for cause, joules in one.items()
            }
            for title, one in parts.items()
        },
        {
            title: f"{significant(1000 * total)} mJ a token"
            for title, total in totals.items()
        },
        title=f"{ENERGY_FIGURE.title}, modelled, {data.profile.device.name}",
        axis="Share of the energy (%)",
    )


def _overview(sections: Sequence[Section]) -> Table:
    return Table(
        headings=(
            *("Section", "Recommendation", "Number", "Sensitivity"),
            *("Confidence", "Evidence"),
        ),
        rows=[
            (
                section.topic.value,
                one.title,
                one.number,
                one.sensitivity[0],
                one.confidence.level.value,
                _evidence(one),
            )
            for section in sections
            for one in section.recommendations
        ],
    )


def _evidence(one: Recommendation) -> Code:
    """The first row; the section has more of them."""
    rest = f" and {one.row_count - 1:,} more" if one.row_count > 1 else ""
    return Code(f"{one.rows[0]}{rest}" if one.rows else "")


def _table(grid: Grid) -> Table:
    return Table(headings=grid.headings, rows=grid.rows)
