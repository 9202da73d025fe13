"""The on-chip sizes at which the weights and the KV cache of a layer stay resident."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dsprof.analysis.numerals import plural
from dsprof.analysis.whatif.residency import Held, has_tensor_work, is_expert
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms
from dsprof.harness.profile import Profile
from dsprof.harness.records import Phase

KV_BYTES_PER_NUMBER = 2  # the latent KV cache is kept in BF16
PRODUCTS = ("GEMM", "BMM")  # also without a tensor core, as the router's
ATTENTION = "Attention"  # category of the calls that read the KV cache


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentSet:
    """On-chip bytes at which a part of one layer stays from pass to pass."""

    title: str
    bytes: float
    source: str  # the sum, or the rows that it comes from


@dataclass(frozen=True, slots=True, kw_only=True)
class KvSet:
    """The latent KV cache of one layer: its requests' whole contexts."""

    batch_size: int
    kv_len: int
    bytes: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSets:
    """The parts of one layer; None for what the profile cannot tell."""

    dense: ResidentSet | None  # weights outside the routed experts
    chosen_experts: ResidentSet | None
    all_experts: ResidentSet | None
    kv: tuple[KvSet, ...]  # by batch size and context

    @property
    def weights(self) -> tuple[ResidentSet, ...]:
        parts = (self.dense, self.chosen_experts, self.all_experts)
        return tuple(part for part in parts if part is not None)


def layer_sets(
    profile: Profile, layers: Sequence[LayerTerms], held: Held | None = None
) -> LayerSets:
    """Sizes that would have to fit on chip, out of the decode layers.

    Weights are the footprints of matrix products at the fewest tokens: there their
    compulsory bytes are their weights, for inputs and outputs are a few kilobytes.
    Norm weights (under 15 KB each) are not counted.
    """
    decode = [layer for layer in layers if layer.phase is Phase.DECODE]
    experts = held or Held.of(profile)
    dense = chosen = everyone = None
    if decode:
        layer = min(decode, key=lambda one: one.tokens)
        dense = _dense_weights(layer)
        chosen = _chosen_experts(layer)
        share = experts.share_read(layer.tokens)
        if chosen is not None and share < 1:
            everyone = ResidentSet(
                title="all routed experts",
                bytes=chosen.bytes / share,
                source=f"the chosen ones over their expected share, {share:.4g}",
            )
    return LayerSets(
        dense=dense,
        chosen_experts=chosen,
        all_experts=everyone,
        kv=tuple(_kv_sets(profile, decode)),
    )


def _dense_weights(layer: LayerTerms) -> ResidentSet | None:
    calls = [
        call
        for call in layer.calls
        if (has_tensor_work(call) or call.category in PRODUCTS)
        and not is_expert(call)
        and call.category != ATTENTION
    ]
    return _footprints("weights outside the routed experts", layer, calls)


def _chosen_experts(layer: LayerTerms) -> ResidentSet | None:
    calls = [call for call in layer.calls if is_expert(call)]
    return _footprints(
        f"routed experts that {plural(layer.tokens, 'token')} chose", layer, calls
    )


def _footprints(
    title: str, layer: LayerTerms, calls: Sequence[CallTerms]
) -> ResidentSet | None:
    if not calls:
        return None
    names = ", ".join(f"{call.kernel} {call.op}" for call in calls)
    return ResidentSet(
        title=title,
        bytes=sum(call.count * call.footprint_bytes for call in calls),
        source=f"footprints at decode B={layer.batch_size}, {layer.path}: {names}",
    )


def _kv_sets(profile: Profile, decode: Sequence[LayerTerms]) -> Iterator[KvSet]:
    """kv_lora_rank + qk_rope_head_dim numbers a token; none without these sizes."""
    sizes = {one.name: one.value for one in profile.model}
    if "kv_lora_rank" not in sizes or "qk_rope_head_dim" not in sizes:
        return
    width = sizes["kv_lora_rank"] + sizes["qk_rope_head_dim"]
    found = {
        (layer.batch_size, layer.kv_len) for layer in decode if layer.kv_len is not None
    }
    for batch_size, kv_len in sorted(found):
        yield KvSet(
            batch_size=batch_size,
            kv_len=kv_len,
            bytes=float(batch_size * kv_len * width * KV_BYTES_PER_NUMBER),
            source=f"{batch_size} x {kv_len} x {width} x {KV_BYTES_PER_NUMBER} bytes",
        )
