"""The pages about other machines: whatif.md with its sensitivities, and npu.md."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dsprof.analysis.npu.layers import NpuData, npu_data
from dsprof.analysis.npu.link_bytes import Parallel
from dsprof.analysis.plots.intensity import intensity_figure
from dsprof.analysis.plots.knee import knee_figure
from dsprof.analysis.plots.tornado import tornado_figure
from dsprof.analysis.report.npu import (
    ENERGY_FIGURE,
    LIMITS_FIGURE,
    npu_drawings,
    render_npu,
)
from dsprof.analysis.report.roofline import FigureLink
from dsprof.analysis.report.sensitivity import Figures, render_sensitivity
from dsprof.analysis.report.whatif import render_whatif, reported_passes
from dsprof.analysis.whatif.balance import balance
from dsprof.analysis.whatif.fit import Fits
from dsprof.analysis.whatif.knee import curve, knee
from dsprof.analysis.whatif.residency import Held
from dsprof.analysis.whatif.sensitivity import sensitivity
from dsprof.analysis.whatif.terms import LayerTerms
from dsprof.harness.profile import Profile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WHATIF, NPU = "whatif.md", "npu.md"
ONE_CHIP = Parallel()
TORNADO = FigureLink(
    path="figures/sensitivity.png", title="How a layer answers to each resource"
)
KNEE = FigureLink(
    path="figures/bandwidth-knee.png", title="Where more HBM bandwidth stops paying"
)
INTENSITY = FigureLink(
    path="figures/intensity.png", title="Time by arithmetic intensity"
)
FIGURES = (TORNADO, KNEE, INTENSITY, LIMITS_FIGURE, ENERGY_FIGURE)
Draw = Callable[[], "Figure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePages:
    """What the pages of a profile are made of, and their figures by path."""

    profile: Profile
    fits: Fits | None  # None without a timed point
    npu: NpuData
    layers: Sequence[LayerTerms]  # with a timed call
    parallel: Parallel  # that the links are for
    draws: Mapping[str, Draw]

    def documents(self) -> dict[str, str]:
        """The pages that the profile has something for, by name."""
        drawn = {link for link in FIGURES if link.path in self.draws}
        pages = {
            WHATIF: self._whatif(drawn),
            NPU: render_npu(
                self.profile,
                data=self.npu,
                parallel=self.parallel,
                figures=[link for link in FIGURES if link in drawn],
            ),
        }
        return {name: text for name, text in pages.items() if text is not None}

    def _whatif(self, drawn: set[FigureLink]) -> str | None:
        if self.fits is None:
            return None
        text = render_whatif(self.profile, self.fits)
        if text is None or not self.layers:
            return text
        figures = Figures(
            tornado=[TORNADO] if TORNADO in drawn else [],
            knee=[KNEE] if KNEE in drawn else [],
            intensity=[INTENSITY] if INTENSITY in drawn else [],
        )
        return (
            f"{text}\n{render_sensitivity(self.profile, self.layers, figures=figures)}"
        )


def machine_pages(
    profile: Profile, fits: Fits | None, parallel: Parallel = ONE_CHIP
) -> MachinePages:
    """The pages of a profile; ``fits`` are those of its fitted cache state."""
    passes = [] if fits is None else reported_passes(profile, fits)
    layers = [one.layer for one in passes]
    npu = npu_data(profile, fits=fits)
    draws: dict[str, Draw] = {link.path: draw for link, draw in npu_drawings(npu)}
    return MachinePages(
        profile=profile,
        fits=fits,
        npu=npu,
        layers=layers,
        parallel=parallel,
        draws=_sensitivity_draws(profile, layers) | draws if layers else draws,
    )


def _sensitivity_draws(
    profile: Profile, layers: Sequence[LayerTerms]
) -> dict[str, Draw]:
    held = Held.of(profile)
    where = profile.device.name
    curves = [found for one in layers if (found := curve(one, held=held))]
    knees = [mark for one in layers if (mark := knee(one, held=held))]
    balances = [at for one in layers if (at := balance(one, held=held))]
    draws: dict[str, Draw] = {
        TORNADO.path: partial(
            tornado_figure,
            [sensitivity(layer, held=held) for layer in layers],
            title=f"{TORNADO.title}, {where}",
        )
    }
    if curves:
        draws[KNEE.path] = partial(
            knee_figure, curves, knees, title=f"{KNEE.title}, {where}"
        )
    if balances:
        draws[INTENSITY.path] = partial(
            intensity_figure, balances, title=f"{INTENSITY.title}, {where}"
        )
    return draws
