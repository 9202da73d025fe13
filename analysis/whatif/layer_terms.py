"""A layer's calls as terms: each step's point, split as its kernel's fit says."""

from dataclasses import replace

from dsprof.analysis.layer import ONE_LAYER, Part
from dsprof.analysis.sizes import ProblemSize
from dsprof.analysis.slots import FilledSlot, fill_slots
from dsprof.analysis.whatif.fit import Fits
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms, Term
from dsprof.analysis.whatif.work import Work, works_by_point
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Call, LayerPath, Phase, Point


def layer_terms(  # noqa: PLR0913, PLR0917 -- what names one sum of a profile
    profile: Profile,
    fits: Fits,
    size: ProblemSize,
    path: LayerPath,
    kv_len: int | None,
    cache: Cache,
) -> LayerTerms:
    """The calls of an MoE layer at one size; a call of several steps is there once.

    Without a ``kv_len``, the quickest of a call's context lengths counts.
    """
    works = works_by_point(profile, cache)
    weights = ONE_LAYER[Part.MOE]
    filled = fill_slots(profile, size, path=path, kv_len=kv_len)
    calls: dict[Call, CallTerms] = {}
    missing: dict[str, None] = {}
    for entry in _quickest(filled, cache):
        count = weights.get(entry.slot.layer, 0) * entry.slot.count
        if not count:
            continue
        if entry.measurement is None or entry.time_us(cache) is None:
            missing[entry.call.label] = None
            continue
        known = calls.get(entry.call)
        terms = known or call_terms(fits, works[entry.measurement.point])
        calls[entry.call] = replace(terms, count=count + (known.count if known else 0))
    return LayerTerms(
        phase=size.phase,
        batch_size=size.batch_size,
        seq_len=size.seq_len,
        kv_len=kv_len if size.phase is Phase.DECODE else None,
        path=path,
        cache=cache,
        source=fits.source,
        calls=tuple(calls.values()),
        missing=tuple(missing),
    )


def call_terms(fits: Fits, work: Work) -> CallTerms:
    """One timed call as terms that add up to its measured time."""
    point: Point = work.row.point
    fit = fits.kernels[point.kernel]
    terms = fit.term_s(work, fits.source)
    fitted_s = fit.time_s(work, fits.source)
    scale = work.time_s / fitted_s
    return CallTerms(
        kernel=point.kernel,
        op=point.op,
        category=work.row.category,
        time_s=work.time_s,
        fitted_s=fitted_s,
        tensor_s={
            path: scale
            * fit.slowdown[Term.TENSOR]
            * flops
            / fits.source.flops_per_s[path]
            for path, flops in work.tensor_flops.items()
        },
        vector_s=scale * terms[Term.VECTOR],
        hbm_s=scale * terms[Term.HBM],
        on_chip_s=scale * terms[Term.ON_CHIP],
        fixed_s=scale * terms[Term.FIXED],
        fixed_launches=work.launches,
        flops=work.row.flops,
        hbm_bytes=work.hbm_bytes,
        on_chip_bytes=work.on_chip_bytes,
        footprint_bytes=float(work.row.total_bytes),
        error_pct=fit.error_pct,
        spread=fit.spread,
        not_identified=fit.not_identified,
    )


def _quickest(filled: list[FilledSlot], cache: Cache) -> list[FilledSlot]:
    """One entry for each step and call: the one with the least time, if any has one."""
    found: dict[object, FilledSlot] = {}
    for entry in filled:
        key, time_us = (entry.slot, entry.call), entry.time_us(cache)
        known = found.setdefault(key, entry).time_us(cache)
        if time_us is not None and (known is None or time_us < known):
            found[key] = entry
    return list(found.values())
