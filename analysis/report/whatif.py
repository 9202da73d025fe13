"""whatif.md: how well the kernels' fits predict, and what other machines would take."""

from dataclasses import dataclass

from dsprof.analysis.layer import path_of
from dsprof.analysis.moe.experts_read import has_whole_steps_alone
from dsprof.analysis.report.markdown import Table
from dsprof.analysis.report.template import render
from dsprof.analysis.report.whatif_fits import (
    fit_table,
    left_out_line,
    left_out_table,
    without_fit_table,
)
from dsprof.analysis.report.whatif_published import (
    published_notes,
    published_table,
    unprojected_table,
)
from dsprof.analysis.report.whatif_tables import (
    assumptions,
    machine_table,
    target_table,
)
from dsprof.analysis.sizes import ProblemSize
from dsprof.analysis.whatif.fit import COVERED, Fits, fit_kernels
from dsprof.analysis.whatif.passes import Pass, pass_terms
from dsprof.analysis.whatif.published import compare_published
from dsprof.analysis.whatif.target import Target, target_of_device
from dsprof.harness.device import known_devices
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Phase

SIZES = (
    ProblemSize(phase=Phase.DECODE, batch_size=1, seq_len=1),
    ProblemSize(phase=Phase.DECODE, batch_size=32, seq_len=1),
    ProblemSize(phase=Phase.DECODE, batch_size=128, seq_len=1),
    ProblemSize(phase=Phase.PREFILL, batch_size=1, seq_len=1024),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatifView:
    """Everything that whatif.md.j2 prints."""

    device: str
    fits: Fits
    covered: str  # percent of left-out points within an interval
    left_out_line: str
    left_out: Table
    fitted: Table
    without_fit: Table
    projections: dict[str, Table]
    machines: Table
    assumptions: list[str]
    published: Table
    published_notes: list[str]
    unprojected: Table


def render_whatif(profile: Profile, fits: Fits | None = None) -> str | None:
    """The page as Markdown; None for a profile without a timed call of a layer.

    ``fits`` are those of ``fitted_cache(profile)``, made here where they are not given.
    """
    cache = fitted_cache(profile)
    if cache is None:
        return None
    fits = fits or fit_kernels(profile, cache)
    targets = other_gpus(fits.source)
    compared = compare_published(profile, fits)
    view = WhatifView(
        device=profile.device.name,
        fits=fits,
        covered=f"{100 * COVERED:.0f}",
        left_out_line=left_out_line(fits),
        left_out=left_out_table(fits),
        fitted=fit_table(fits),
        without_fit=without_fit_table(fits),
        projections={
            one.title: machine_table([one.on(target) for target in targets])
            for one in reported_passes(profile, fits)
        },
        machines=target_table([fits.source, *targets]),
        assumptions=assumptions([fits.source, *targets]),
        published=published_table(compared),
        published_notes=published_notes(compared),
        unprojected=unprojected_table(compared),
    )
    return render("whatif.md.j2", view)


def fitted_cache(profile: Profile) -> Cache | None:
    """Cold, as a layer's weights are when its turn comes; warm where that is all.

    None without a timed point, and where whole steps are all that was timed: a fit of
    those tells no fixed time of a launch, and no layer can be made of them.
    """
    if has_whole_steps_alone(profile):
        return None
    for cache in (Cache.COLD, Cache.WARM):
        if any(row.timing(cache) for row in profile.measurements):
            return cache
    return None


def other_gpus(source: Target) -> list[Target]:
    """Every known GPU but the source, in the order of the list."""
    targets = (target_of_device(spec, source) for spec in known_devices().values())
    return [target for target in targets if target.name != source.name]


def reported_passes(profile: Profile, fits: Fits) -> list[Pass]:
    """The sizes of this page at which any call of the layer has a time."""
    kv_len = next(iter(profile.sweep.kv_lens), None)
    path = path_of(profile)
    passes = (
        pass_terms(
            profile,
            fits,
            size,
            path=path,
            kv_len=kv_len if size.phase is Phase.DECODE else None,
        )
        for size in SIZES
    )
    return [one for one in passes if one.layer.calls]
