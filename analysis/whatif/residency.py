"""What stays on chip in a memory of another size, and what that saves of HBM traffic.

The rule, for a memory of C bytes in place of the source's C0:

* More than the source has is filled, for good, with data that every pass reads again.
  First comes what each pass reads whole (weights outside the routed experts, the KV
  cache: the footprints of those calls), then the routed experts, of which a pass reads
  those that its tokens chose. So a call finds the share min(1, room / set) of its
  bytes on chip, ``set`` being what all such calls of the layers held would fill. What
  the source's own C0 bytes save is in the measured times already.
* Less than the source has loses cache hits. The bytes that the on-chip memory served a
  call beyond those from HBM came from a working set of at most min(C0, footprint); with
  less room than that, they go to HBM in proportion. What is read again may be smaller
  than that working set: no counter tells.

Bytes that stay are still delivered by the on-chip memory. On a device that
holds one layer this is the most that capacity can save: one that holds several passes
through all of them before it sees a byte again.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.whatif.project import Machines, call_terms_on
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms, Term
from dsprof.harness.device import Datapath
from dsprof.harness.profile import Profile

if TYPE_CHECKING:
    from dsprof.analysis.whatif.project import Values

TENSOR = frozenset(Datapath) - {Datapath.FP32}
EXPERTS = "experts"  # how the ops of the routed experts begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What of the model a device holds: layers, and all routed experts of each.

    ``experts_per_token`` and ``experts`` are None where the profile lacks them; the
    experts that a call reads then count as all there are.
    """

    layers: int = 1
    experts: int | None = None
    experts_per_token: int | None = None

    @classmethod
    def of(cls, profile: Profile, layers: int = 1) -> "Held":
        sizes = {one.name: one.value for one in profile.model}
        return cls(
            layers=layers,
            experts=sizes.get("n_routed_experts"),
            experts_per_token=sizes.get("num_experts_per_tok"),
        )

    def share_read(self, tokens: int) -> float:
        """The expected share of the experts that so many tokens choose, uniformly."""
        if not self.experts or not self.experts_per_token:
            return 1.0
        missed = 1 - min(1.0, self.experts_per_token / self.experts)
        return 1 - missed**tokens


ONE_LAYER_HELD = Held()


def is_expert(call: CallTerms) -> bool:
    """Whether it reads weights of routed experts: a matrix product of their ops."""
    return call.op.startswith(EXPERTS) and has_tensor_work(call)


def has_tensor_work(call: CallTerms) -> bool:
    return any(count for path, count in call.flops.items() if path in TENSOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Residency:
    """The rule above for one layer; sizes are of all layers that are held."""

    source_bytes: float  # C0
    every_pass_bytes: float  # footprints of the calls that are no routed experts
    expert_bytes: float  # all routed experts, chosen or not

    @classmethod
    def of(cls, layer: LayerTerms, held: Held = ONE_LAYER_HELD) -> "Residency":
        experts = sum(
            call.count * call.footprint_bytes for call in layer.calls if is_expert(call)
        )
        others = sum(
            call.count * call.footprint_bytes
            for call in layer.calls
            if not is_expert(call)
        )
        return cls(
            source_bytes=layer.source.on_chip_bytes,
            every_pass_bytes=held.layers * others,
            expert_bytes=held.layers * experts / held.share_read(layer.tokens),
        )

    def kept_share(self, call: CallTerms, on_chip_bytes: "Values") -> "Values":
        """Share of a call's bytes that are on chip before it starts; 0 to 1."""
        import numpy as np

        room = np.maximum(np.subtract(on_chip_bytes, self.source_bytes), 0.0)
        wanted = self.every_pass_bytes
        if is_expert(call):
            room, wanted = np.maximum(room - wanted, 0.0), self.expert_bytes
        share: Values = np.minimum(1.0, room / wanted) if wanted else 0.0 * room
        return share

    def hbm_bytes(self, call: CallTerms, on_chip_bytes: "Values") -> "Values":
        """Bytes of one call that go to HBM with so much on-chip memory."""
        import numpy as np

        working_set = min(self.source_bytes, call.footprint_bytes)
        hits = max(call.on_chip_bytes - call.hbm_bytes, 0.0)
        lost: Values = 0.0
        if hits and working_set:
            lost = hits * (1 - np.minimum(1.0, np.divide(on_chip_bytes, working_set)))
        kept = self.kept_share(call, on_chip_bytes)
        return (call.hbm_bytes + lost) * (1 - kept)


def terms_on(
    call: CallTerms, layer: LayerTerms, machines: Machines, residency: Residency
) -> "dict[Term, Values]":
    """Seconds of each term of one call, with what the on-chip memory then holds.

    Arrays keep the shape that their own resources have: nothing is spread over a
    grid here.
    """
    import numpy as np

    terms = call_terms_on(call, layer.source, machines)
    moved = residency.hbm_bytes(call, machines.on_chip_bytes)
    per_byte_s = (
        call.hbm_s / call.hbm_bytes
        if call.hbm_s and call.hbm_bytes
        else 1 / layer.source.hbm_bytes_per_s
    )
    ratio = layer.source.hbm_bytes_per_s / machines.hbm_bytes_per_s
    terms[Term.HBM] = per_byte_s * moved * ratio
    kept = call.hbm_bytes * residency.kept_share(call, machines.on_chip_bytes)
    terms[Term.ON_CHIP] = np.maximum(
        terms[Term.ON_CHIP], kept / machines.on_chip_bytes_per_s
    )
    return terms
