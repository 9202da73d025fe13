"""The layer's calls one after another, at every recorded size: the page's waterfall."""

from collections.abc import Iterator

from dsprof.analysis.layer import ONE_LAYER, LayerTimes, layer_times, path_of
from dsprof.analysis.report.index_embed import Json, columns, number
from dsprof.analysis.sizes import ProblemSize
from dsprof.analysis.slots import quickest
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, LayerPath, Phase


def recorded_sizes(profile: Profile) -> list[ProblemSize]:
    """Every problem size with a point, decode first, by tokens."""
    found = {
        (row.point.phase, row.point.batch_size, row.point.seq_len)
        for row in profile.measurements
    }
    ordered = sorted(found, key=lambda one: (one[0] is Phase.PREFILL, one[1:]))
    return [
        ProblemSize(phase=phase, batch_size=batch_size, seq_len=seq_len)
        for phase, batch_size, seq_len in ordered
    ]


def context_lengths(profile: Profile, size: ProblemSize) -> tuple[int | None, ...]:
    """Those that a layer of this size is asked for."""
    if size.phase is Phase.PREFILL:
        return (None,)
    return tuple(profile.sweep.kv_lens) or (None,)


def layer_rows(profile: Profile) -> Json:
    """Layers of every path, size and context length with a timed call, if any is."""
    layers = list(_timed(profile))
    if not layers:
        return None
    return {"layers": [_head(one) for one in layers], "calls": _calls(layers)}


def _timed(profile: Profile) -> Iterator[LayerTimes]:
    first = path_of(profile)
    for path in sorted(LayerPath, key=lambda path: path is not first):
        for size in recorded_sizes(profile):
            for kv_len in context_lengths(profile, size):
                layer = layer_times(profile, size, path, kv_len)
                if any(not entry.missing for entry in layer.filled):
                    yield layer


def _head(layer: LayerTimes) -> Json:
    return {
        "path": layer.path.value,
        "phase": layer.size.phase.value,
        "batch_size": layer.size.batch_size,
        "seq_len": layer.size.seq_len,
        "kv_len": layer.kv_len,
        "tokens": layer.tokens,
        "times": {
            cache.value: {
                part.name.lower(): {
                    "us": number(time.total_us, 7),
                    "missing": list(time.missing),
                }
                for part, time in layer.parts[cache].items()
            }
            for cache in Cache
        },
        "tokens_per_s": {
            cache.value: number(layer.tokens_per_s(cache)) for cache in Cache
        },
    }


def _calls(layers: list[LayerTimes]) -> Json:
    """One row a step and call, in the order of the layer; times are of one call."""
    return columns(
        [row for place, layer in enumerate(layers) for row in _steps(place, layer)],
        digits=7,
    )


def _steps(place: int, layer: LayerTimes) -> Iterator[dict[str, object]]:
    first = {(one.slot, one.call): one for one in reversed(layer.filled)}
    times = {cache: quickest(layer.filled, cache) for cache in Cache}
    for (slot, call), entry in reversed(first.items()):
        yield {
            "layer": place,
            "kernel": call.kernel,
            "op": call.op,
            "step": slot.step,
            "category": entry.category,
            **{
                part.name.lower(): weights.get(slot.layer, 0) * slot.count
                for part, weights in ONE_LAYER.items()
            },
            "stands_in": int(entry.stands_in),
            "missing": entry.missing,
            **{f"{cache}_us": times[cache][slot, call] for cache in Cache},
        }
