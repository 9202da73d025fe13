"""The terms of each layer, and known GPUs as multiples of the source: the sliders.

The page computes with them what ``analysis/whatif/project.py`` computes: a term grows
by the source's resource over the other machine's, the longest one counts, and the
fixed part is added.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dsprof.analysis.layer import path_of
from dsprof.analysis.report.index_embed import Json, columns, number
from dsprof.analysis.report.index_layers import context_lengths, recorded_sizes
from dsprof.analysis.whatif.fit import Fits
from dsprof.analysis.whatif.layer_terms import layer_terms
from dsprof.analysis.whatif.model_terms import model_terms
from dsprof.analysis.whatif.target import Target, target_of_device
from dsprof.analysis.whatif.terms import LayerTerms
from dsprof.harness.device import Datapath, known_devices
from dsprof.harness.profile import Profile

# The page's sums are compared with Python's: enough digits for one part in a million.
_DIGITS = 7


# Fields of a target that a slider stands for, in words.
_SLIDERS = {
    "on_chip_bytes_per_s": "on-chip bandwidth",
    "launch_latency_s": "launch latency",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedTerms:
    """One MoE layer, and one pass of the whole model where the profile says of what."""

    layer: LayerTerms
    model: LayerTerms | None = None


def whatif_rows(profile: Profile, fits: Fits | None) -> Json:
    """Terms of every layer that has a timed call; None where the profile has none."""
    if fits is None:
        return None
    sizes = list(_sizes(profile, fits))
    return terms_rows(sizes, _targets(fits.source)) if sizes else None


def terms_rows(sizes: list[SizedTerms], targets: list[Target]) -> Json:
    """What the sliders need: layers with their calls, and presets."""
    source = sizes[0].layer.source
    used = {path for one in sizes for call in one.layer.calls for path in call.tensor_s}
    return {
        "source": source.name,
        "datapaths": [path.value for path in Datapath if path in used],
        "presets": [_preset(target, source) for target in targets],
        "layers": [_head(one) for one in sizes],
        "calls": columns(
            [row for place, one in enumerate(sizes) for row in _calls(place, one)],
            _DIGITS,
        ),
    }


def _sizes(profile: Profile, fits: Fits) -> Iterator[SizedTerms]:
    path = path_of(profile)
    for size in recorded_sizes(profile):
        for kv_len in context_lengths(profile, size):
            layer = layer_terms(profile, fits, size, path, kv_len, fits.cache)
            if layer.calls:
                model = model_terms(profile, fits, size, path, kv_len, fits.cache)
                yield SizedTerms(layer=layer, model=model)


def _targets(source: Target) -> list[Target]:
    """Known GPUs other than the source."""
    return [
        target_of_device(spec, source)
        for spec in known_devices().values()
        if spec.name != source.name
    ]


def _preset(target: Target, source: Target) -> Json:
    """Each resource over the source's; a datapath that the target lacks is 0."""
    multiples: dict[str, float] = {
        path.value: target.flops_per_s.get(path, 0.0) / rate
        for path, rate in source.flops_per_s.items()
    }
    multiples |= {
        "hbm": target.hbm_bytes_per_s / source.hbm_bytes_per_s,
        "on_chip": target.on_chip_bytes_per_s / source.on_chip_bytes_per_s,
        "latency": target.launch_latency_s / source.launch_latency_s,
    }
    return {
        "name": target.name,
        "multiples": {name: number(one, _DIGITS) for name, one in multiples.items()},
        "assumed": [_SLIDERS[name] for name in _SLIDERS if name in target.assumed],
    }


def _head(one: SizedTerms) -> Json:
    layer = one.layer
    return {
        "phase": layer.phase.value,
        "batch_size": layer.batch_size,
        "seq_len": layer.seq_len,
        "kv_len": layer.kv_len,
        "path": layer.path.value,
        "cache": layer.cache.value,
        "tokens": layer.tokens,
        "missing": list(layer.missing),
        "model_missing": None if one.model is None else list(one.model.missing),
    }


def _calls(place: int, one: SizedTerms) -> Iterator[dict[str, object]]:
    """Each call once, with how often the layer and the model have it."""
    in_layer = {(call.kernel, call.op): call.count for call in one.layer.calls}
    in_model = {
        (call.kernel, call.op): call.count
        for call in (one.model.calls if one.model else ())
    }
    calls = {
        (call.kernel, call.op): call
        for call in (*one.layer.calls, *(one.model.calls if one.model else ()))
    }
    for key, call in calls.items():
        yield {
            "layer": place,
            "kernel": call.kernel,
            "op": call.op,
            "count": in_layer.get(key, 0),
            "model": in_model.get(key, 0),
            "time_s": call.time_s,
            **{path.value: call.tensor_s.get(path, 0.0) for path in Datapath},
            "vector_s": call.vector_s,
            "hbm_s": call.hbm_s,
            "on_chip_s": call.on_chip_s,
            "fixed_s": call.fixed_s,
            "error_pct": number(call.error_pct, 3),
            "not_identified": " ".join(term.value for term in call.not_identified),
        }
