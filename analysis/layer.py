"""The layer's time, the whole model's, and where time can be won, out of one profile.

A time is the sum of one call of every step, each measured alone: launches in between,
overlap of kernels and communication between GPUs are not in it.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from dsprof.analysis.numerals import plural
from dsprof.analysis.sizes import ProblemSize
from dsprof.analysis.slots import FilledSlot, fill_slots, quickest
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    Call,
    LayerKind,
    LayerPath,
    Phase,
    Status,
)

DECODE_BATCH_SIZES = (1, 8, 16, 32, 64, 128)
PREFILL_SEQ_LENS = (128, 256, 512, 1024, 2048)
LAYER_COUNT, DENSE_COUNT = "num_hidden_layers", "first_k_dense_replace"
Weights: TypeAlias = Mapping[LayerKind, int]


class Part(StrEnum):
    """What is added up."""

    MOE = "MoE layer"
    DENSE = "dense layer"
    MODEL = "whole model"


# One layer of each kind; layer 0 is a dense layer with another input norm.
ONE_LAYER: Mapping[Part, Weights] = {
    Part.MOE: {LayerKind.BOTH: 1, LayerKind.LATER: 1, LayerKind.MOE: 1},
    Part.DENSE: {LayerKind.BOTH: 1, LayerKind.LATER: 1, LayerKind.DENSE: 1},
}
NEEDED = {Part.MOE: LayerKind.MOE, Part.DENSE: LayerKind.DENSE}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTime:
    """The timed calls of a part added up: a lower bound where some are missing."""

    total_us: float
    missing: tuple[str, ...]  # calls without a time, and steps that the path lacks

    @property
    def is_lower_bound(self) -> bool:
        return bool(self.missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTimes:
    """One path at one size; a part that cannot be added up is absent."""

    path: LayerPath
    size: ProblemSize
    kv_len: int | None
    filled: tuple[FilledSlot, ...]
    parts: Mapping[Cache, Mapping[Part, PartTime]]

    @property
    def tokens(self) -> int:
        """Tokens that one pass takes: B in decode, B * S in prefill."""
        return self.size.batch_size * self.size.seq_len

    def tokens_per_s(self, cache: Cache) -> float:
        """Tokens over the whole model's time; at most that where it is a lower bound.

        NaN without a model time.
        """
        model = self.parts[cache].get(Part.MODEL)
        if model is None or not model.total_us:
            return math.nan
        return self.tokens / (model.total_us * 1e-6)


def layer_times(
    profile: Profile, size: ProblemSize, path: LayerPath, kv_len: int | None = None
) -> LayerTimes:
    """Fill the path's slots at a size and add them up, warm and cold."""
    filled = fill_slots(profile, size, path=path, kv_len=kv_len)
    return LayerTimes(
        path=path,
        size=size,
        kv_len=kv_len if size.phase is Phase.DECODE else None,
        filled=tuple(filled),
        parts={cache: _parts(profile, filled, cache) for cache in Cache},
    )


def batch_scaling(
    profile: Profile, path: LayerPath, kv_len: int | None
) -> list[LayerTimes]:
    """Decode at every reported batch size that the profile has a point of."""
    sizes = (
        ProblemSize(phase=Phase.DECODE, batch_size=batch_size, seq_len=1)
        for batch_size in DECODE_BATCH_SIZES
    )
    return _at_recorded(profile, path, kv_len, list(sizes))


def sequence_scaling(profile: Profile, path: LayerPath) -> list[LayerTimes]:
    """Prefill of one request at every reported length that the profile has."""
    sizes = (
        ProblemSize(phase=Phase.PREFILL, batch_size=1, seq_len=seq_len)
        for seq_len in PREFILL_SEQ_LENS
    )
    return _at_recorded(profile, path, None, list(sizes))


def path_of(profile: Profile) -> LayerPath:
    """The path that says most: as served if any slot of it has a time."""
    timed = {
        Call(kernel=row.point.kernel, op=row.point.op)
        for row in profile.measurements
        if row.status is Status.OK
    }
    served = any(
        call in timed
        for slot in profile.slots
        if slot.path is LayerPath.AS_SERVED
        for alternative in slot.choices
        for call in alternative.calls
    )
    return LayerPath.AS_SERVED if served else LayerPath.AS_LISTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """One kernel and op of an MoE layer: its part of the time, and what could go."""

    entry: FilledSlot
    calls: int  # in one layer
    time_us: float  # of all of them
    roof_us: float
    share_pct: float  # of the layer's timed calls

    @property
    def above_roof(self) -> float:
        """The part of its time that its roof does not account for; 0 at the roof."""
        return 1 - self.roof_us / self.time_us

    @property
    def headroom_pct(self) -> float:
        """Percent of the layer's time that goes if the call reaches its roof."""
        return self.share_pct * self.above_roof


def headroom(layer: LayerTimes, cache: Cache) -> list[Headroom]:
    """The timed calls of an MoE layer, the most time to win first."""
    weights = ONE_LAYER[Part.MOE]
    counts: Counter[Call] = Counter()
    for slot, call in quickest(layer.filled, cache):
        counts[call] += weights.get(slot.layer, 0) * slot.count
    timed: dict[Call, tuple[float, float, FilledSlot]] = {}
    for entry in layer.filled:
        time_us, row = entry.time_us(cache), entry.measurement
        if row is None or time_us is None or math.isnan(row.roof_time_us):
            continue
        known = timed.get(entry.call)
        if counts[entry.call] and (known is None or time_us < known[0]):
            timed[entry.call] = time_us, row.roof_time_us, entry
    total_us = sum(counts[call] * time_us for call, (time_us, _, _) in timed.items())
    ranked = [
        Headroom(
            entry=entry,
            calls=counts[call],
            time_us=counts[call] * time_us,
            roof_us=counts[call] * roof_us,
            share_pct=100 * counts[call] * time_us / total_us,
        )
        for call, (time_us, roof_us, entry) in timed.items()
    ]
    return sorted(ranked, key=lambda one: -one.headroom_pct)


def _at_recorded(
    profile: Profile,
    path: LayerPath,
    kv_len: int | None,
    sizes: Sequence[ProblemSize],
) -> list[LayerTimes]:
    recorded = {
        (row.point.phase, row.point.batch_size, row.point.seq_len)
        for row in profile.measurements
    }
    return [
        layer_times(profile, size, path, kv_len)
        for size in sizes
        if (size.phase, size.batch_size, size.seq_len) in recorded
    ]


def _parts(
    profile: Profile, filled: Sequence[FilledSlot], cache: Cache
) -> dict[Part, PartTime]:
    kinds = {entry.slot.layer for entry in filled}
    found = {
        part: _add_up(filled, weights, cache)
        for part, weights in ONE_LAYER.items()
        if NEEDED[part] in kinds
    }
    model = model_weights(profile)
    if model is not None and filled:
        timed = _add_up(filled, model, cache)
        absent = _absent(kinds, model)
        found[Part.MODEL] = PartTime(
            total_us=timed.total_us, missing=(*timed.missing, *absent)
        )
    return found


def _add_up(filled: Sequence[FilledSlot], weights: Weights, cache: Cache) -> PartTime:
    calls = {
        (slot, call): time_us
        for (slot, call), time_us in quickest(filled, cache).items()
        if slot.layer in weights
    }
    return PartTime(
        total_us=sum(
            weights[slot.layer] * slot.count * time_us
            for (slot, _), time_us in calls.items()
            if time_us is not None
        ),
        missing=tuple(
            dict.fromkeys(
                call.label for (_, call), time_us in calls.items() if time_us is None
            )
        ),
    )


def model_weights(profile: Profile) -> Weights | None:
    """How often one pass runs a slot; None where the profile has no layer counts."""
    sizes = {parameter.name: parameter.value for parameter in profile.model}
    if LAYER_COUNT not in sizes or DENSE_COUNT not in sizes:
        return None
    layers, dense = sizes[LAYER_COUNT], sizes[DENSE_COUNT]
    return {
        LayerKind.BOTH: layers,
        LayerKind.FIRST: 1,
        LayerKind.LATER: layers - 1,
        LayerKind.DENSE: dense,
        LayerKind.MOE: layers - dense,
        LayerKind.ONCE: 1,
    }


def _absent(kinds: set[LayerKind], model: Weights) -> list[str]:
    """Steps of the model that no slot of the path stands for."""
    absent = []
    if LayerKind.DENSE not in kinds:
        absent.append(f"the {plural(model[LayerKind.DENSE], 'dense layer')}")
    if LayerKind.ONCE not in kinds:
        absent.append("final norm and lm_head")
    return absent
