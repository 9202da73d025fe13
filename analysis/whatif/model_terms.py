"""The whole model's calls as terms: every slot as often as one pass runs it."""

from dataclasses import replace

from dsprof.analysis.layer import Part, layer_times, model_weights
from dsprof.analysis.sizes import ProblemSize
from dsprof.analysis.slots import FilledSlot
from dsprof.analysis.whatif.fit import Fits
from dsprof.analysis.whatif.layer_terms import call_terms
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms
from dsprof.analysis.whatif.work import works_by_point
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Call, LayerPath, Phase, Slot


def model_terms(  # noqa: PLR0913, PLR0917 -- what names one sum of a profile
    profile: Profile,
    fits: Fits,
    size: ProblemSize,
    path: LayerPath,
    kv_len: int | None,
    cache: Cache,
) -> LayerTerms | None:
    """The calls of one pass; None where the profile does not say how many layers."""
    weights = model_weights(profile)
    times = layer_times(profile, size, path, kv_len)
    model = times.parts[cache].get(Part.MODEL)
    if weights is None or model is None:
        return None
    works = works_by_point(profile, cache)
    calls: dict[Call, CallTerms] = {}
    for entry in _quickest(times.filled, cache):
        count = weights[entry.slot.layer] * entry.slot.count
        known = calls.get(entry.call)
        if known is None and entry.measurement is not None:
            known = replace(call_terms(fits, works[entry.measurement.point]), count=0)
        if known is not None:
            calls[entry.call] = replace(known, count=known.count + count)
    return LayerTerms(
        phase=size.phase,
        batch_size=size.batch_size,
        seq_len=size.seq_len,
        kv_len=kv_len if size.phase is Phase.DECODE else None,
        path=path,
        cache=cache,
        source=fits.source,
        calls=tuple(calls.values()),
        missing=model.missing,
    )


def _quickest(filled: tuple[FilledSlot, ...], cache: Cache) -> list[FilledSlot]:
    """The timed entry of each step and call with the least time."""
    found: dict[tuple[Slot, Call], tuple[float, FilledSlot]] = {}
    for entry in filled:
        time_us, key = entry.time_us(cache), (entry.slot, entry.call)
        if time_us is not None and (key not in found or time_us < found[key][0]):
            found[key] = time_us, entry
    return [entry for _, entry in found.values()]
