"""Bytes that a token sends to other chips: all-reduce, all-to-all, KV transfer.

All of one MoE layer and one direction of one chip's links, from the model's sizes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

BF16_BYTES, FP8_BYTES, SCALE_BYTES = 2, 1, 4
GROUP = 128  # activations that share an FP8 scale (DeepSeek-V3 report, section 3.3.2)
ALL_REDUCES = 2  # a layer: after attention's output and after the experts
NODE_LIMIT = 4  # nodes that a token's experts may be on (DeepSeek-V3 report, 2.1.2)
CHIPS_A_NODE = 8

FORMULAS = (
    (
        "all-reduce: 2 x 2 (tp - 1)/tp x H x 2 B a token: two a layer (Shoeybi et al., "
        "Megatron-LM, arXiv:1909.08053, section 3), each sends 2 (p - 1)/p of its "
        "message (Patarasuk and Yuan, J. Parallel Distrib. Comput. 69, 2009), in BF16"
    ),
    (
        "dispatch: K (1 - 1/ep) x (H x 1 B + H/128 x 4 B) a token: an FP8 copy with "
        "its scales to each chosen expert, which is on another chip with probability "
        "1 - 1/ep; FP8 dispatch and BF16 combine as in DeepSeek's DeepEP (its README, "
        "low-latency kernels)"
    ),
    "combine: K (1 - 1/ep) x H x 2 B a token: the BF16 results back",
    (
        "between nodes of 8 chips: min(4, nodes) x (1 - 1/nodes) copies a token, each "
        "forwarded inside its node: a token's experts are on at most 4 nodes "
        "(DeepSeek-V3 technical report, arXiv:2412.19437)"
    ),
    (
        "KV transfer from prefill to decode: (Lkv + Dr) x 2 B a token and layer: the "
        "latent cache in BF16, 70.272 kB a token in 61 layers: "
        "(512 + 64) x 2 B x 61"
    ),
    (
        "link bandwidth: bytes a token x tokens / (10 % of the layer's time at that TP "
        "and EP); nothing is overlapped"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoeSizes:
    """The sizes of the model that the formulas need."""

    hidden: int
    experts: int
    top_k: int
    kv_values: int  # numbers a token that a layer caches
    layers: int

    @classmethod
    def of(cls, model: Mapping[str, int]) -> "MoeSizes | None":
        """None where the profile lacks one of them."""
        names = (
            *("hidden_size", "n_routed_experts", "num_experts_per_tok"),
            *("kv_lora_rank", "qk_rope_head_dim", "num_hidden_layers"),
        )
        if any(name not in model for name in names):
            return None
        return cls(
            hidden=model["hidden_size"],
            experts=model["n_routed_experts"],
            top_k=model["num_experts_per_tok"],
            kv_values=model["kv_lora_rank"] + model["qk_rope_head_dim"],
            layers=model["num_hidden_layers"],
        )

    @property
    def dispatch_copy_bytes(self) -> float:
        """One token's activations in FP8, with a scale a group."""
        return self.hidden * FP8_BYTES + self.hidden / GROUP * SCALE_BYTES

    @property
    def combine_copy_bytes(self) -> float:
        return float(self.hidden * BF16_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel:
    """Chips that share the attention heads (tp), and the experts (ep)."""

    tp: int = 1
    ep: int = 1

    @property
    def title(self) -> str:
        return f"TP={self.tp} EP={self.ep}"

    @property
    def nodes(self) -> float:
        """Nodes that the experts are on; 1 where they fit into one."""
        return max(self.ep / CHIPS_A_NODE, 1.0)


def all_reduce_bytes(sizes: MoeSizes, tp: int) -> float:
    """Sent by each chip for a token, in one layer."""
    return ALL_REDUCES * 2 * (tp - 1) / tp * sizes.hidden * BF16_BYTES


def remote_copies(sizes: MoeSizes, ep: int) -> float:
    """Chosen experts that are on other chips, uniformly routed."""
    return sizes.top_k * (1 - 1 / ep)


def all_to_all_bytes(sizes: MoeSizes, ep: int) -> float:
    """Dispatch and combine of a token, in one layer."""
    copy = sizes.dispatch_copy_bytes + sizes.combine_copy_bytes
    return remote_copies(sizes, ep) * copy


def between_nodes_bytes(sizes: MoeSizes, parallel: Parallel) -> float:
    """The part of dispatch and combine that crosses nodes, each copy once."""
    nodes = parallel.nodes
    copies = min(NODE_LIMIT, sizes.top_k, nodes) * (1 - 1 / nodes)
    return copies * (sizes.dispatch_copy_bytes + sizes.combine_copy_bytes)


def kv_transfer_bytes(sizes: MoeSizes) -> float:
    """Of one token and one layer: the latent cache in BF16."""
    return float(sizes.kv_values * BF16_BYTES)


def experts_read(sizes: MoeSizes, ep: int, tokens: int) -> float:
    """Expected experts of one chip that some token chose, uniformly routed.

    ``tokens`` are each chip's own; all chips route to each other. Beyond as many
    chips as experts, a chip holds one, which is a copy of another one's.
    """
    held = max(sizes.experts / ep, 1.0)
    missed = 1 - min(sizes.top_k / sizes.experts, 1.0)
    sharing = min(ep, sizes.experts)
    return held * (1 - missed ** (tokens * sharing))
