"""How a layer answers to each resource, as Markdown sections with their tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from dsprof.analysis.numerals import scaled_bytes
from dsprof.analysis.report.markdown import Table
from dsprof.analysis.report.roofline import FigureLink
from dsprof.analysis.report.sensitivity_tables import (
    balance_table,
    elasticity_table,
    intensity_table,
    knee_table,
    resident_table,
    weight_table,
)
from dsprof.analysis.report.template import render
from dsprof.analysis.whatif.balance import balance
from dsprof.analysis.whatif.knee import MARGINAL_GAIN, knee
from dsprof.analysis.whatif.residency import Held
from dsprof.analysis.whatif.resident_sets import layer_sets
from dsprof.analysis.whatif.resource import RATES
from dsprof.analysis.whatif.sensitivity import (
    Sensitivity,
    sensitivity,
)
from dsprof.analysis.whatif.size_words import row_words, size_words
from dsprof.analysis.whatif.terms import LayerTerms
from dsprof.harness.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Pictures that stand in the sections, where there are any."""

    tornado: Sequence[FigureLink] = ()
    knee: Sequence[FigureLink] = ()
    intensity: Sequence[FigureLink] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPart:
    """One layer's elasticities."""

    title: str
    time_ms: float
    bound: str  # what the time lacks
    rows: str
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityView:
    """Everything that sensitivity.md.j2 prints."""

    machine: str
    held: Held
    gain: float
    layers: list[LayerPart]
    knees: Table
    balances: Table
    intensities: Table
    weights: Table
    resident: Table
    on_chip: str
    tornado: Sequence[FigureLink]
    knee_figures: Sequence[FigureLink]
    intensity_figures: Sequence[FigureLink]


NO_FIGURES = Figures()


def render_sensitivity(
    profile: Profile,
    layers: Sequence[LayerTerms],
    *,
    figures: Figures = NO_FIGURES,
    gain: float = MARGINAL_GAIN,
    held: Held | None = None,
) -> str:
    """The sections for layers of one profile on its own machine."""
    timed = [layer for layer in layers if layer.calls]
    if not timed:
        return "## Sensitivity\n\nNo layer of this profile has a time.\n"
    kept = held or Held.of(profile)
    knees = [
        found
        for layer in timed
        for resource in RATES
        if (found := knee(layer, resource, gain=gain, held=kept)) is not None
    ]
    balances = [
        one for layer in timed if (one := balance(layer, held=kept)) is not None
    ]
    sets = layer_sets(profile, timed, kept)
    view = SensitivityView(
        machine=timed[0].source.name,
        held=kept,
        gain=gain,
        layers=[_layer_part(sensitivity(layer, held=kept)) for layer in timed],
        knees=knee_table(knees),
        balances=balance_table(balances),
        intensities=intensity_table(balances),
        weights=weight_table(sets),
        resident=resident_table(sets),
        on_chip=scaled_bytes(timed[0].source.on_chip_bytes),
        tornado=figures.tornado,
        knee_figures=figures.knee,
        intensity_figures=figures.intensity,
    )
    return render("sensitivity.md.j2", view)


def _layer_part(found: Sensitivity) -> LayerPart:
    missing = found.layer.missing
    return LayerPart(
        title=size_words(found.layer),
        time_ms=found.time_s * 1e3,
        bound=f" at least: {', '.join(missing)} without a time" if missing else "",
        rows=row_words(found.layer),
        table=elasticity_table(found),
    )
