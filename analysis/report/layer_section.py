"""What summary.md says of the layer: how it scales, and where its time could be won."""

from dataclasses import dataclass

from dsprof.analysis.layer import (
    LayerTimes,
    batch_scaling,
    headroom,
    layer_times,
    path_of,
    sequence_scaling,
)
from dsprof.analysis.report.layer_tables import headroom_table, layer_scaling_table
from dsprof.analysis.report.markdown import Table
from dsprof.analysis.sizes import REPORTED_SIZES
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    LayerPath,
    Phase,
)

SHOWN_HEADROOM = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class TitledTable:
    """A table, its heading, and what a reader must know about it."""

    title: str
    table: Table
    missing: tuple[str, ...] = ()


def layer_scaling(profile: Profile) -> list[TitledTable]:
    """Batch and sequence scaling of each path that has a time, by context length."""
    found = []
    for path in LayerPath:
        for kv_len in profile.sweep.kv_lens or (None,):
            kv = "" if kv_len is None else f", kv_len {kv_len}"
            found.append(
                _titled(
                    f"Batch scaling: decode, S=1{kv}, {path}",
                    batch_scaling(profile, path, kv_len),
                )
            )
        found.append(
            _titled(
                f"Sequence scaling: prefill, B=1, {path}",
                sequence_scaling(profile, path),
            )
        )
    return [one for one in found if one.table.rows]


def headroom_rankings(profile: Profile) -> list[TitledTable]:
    """The calls of a layer with the most time above their roof, at each size."""
    path = path_of(profile)
    found = []
    for size in REPORTED_SIZES:
        decode = size.phase is Phase.DECODE
        kv_len = next(iter(profile.sweep.kv_lens), None) if decode else None
        layer = layer_times(profile, size, path, kv_len)
        cache = Cache.COLD
        ranked = headroom(layer, cache)
        if not ranked:
            cache = Cache.WARM
            ranked = headroom(layer, cache)
        kv = "" if kv_len is None else f", kv_len {kv_len}"
        found.append(
            TitledTable(
                title=f"{size.title[0].upper()}{size.title[1:]}{kv}, {path}, {cache}",
                table=headroom_table(ranked, SHOWN_HEADROOM),
            )
        )
    return [one for one in found if one.table.rows]


def _titled(title: str, layers: list[LayerTimes]) -> TitledTable:
    """Sizes at which any call has a time, and the calls that lack one at all."""
    timed = [
        layer for layer in layers if any(not entry.missing for entry in layer.filled)
    ]
    names: dict[str, None] = {}
    for layer in timed:
        for parts in layer.parts.values():
            for time in parts.values():
                names |= dict.fromkeys(time.missing)
    return TitledTable(
        title=title, table=layer_scaling_table(timed), missing=tuple(names)
    )
