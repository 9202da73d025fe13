"""A layer's time when its heads or experts are spread over chips, by the model.

What is divided: with tp, the FLOP and weights of all matrix products and the heads of
attention, whose latent cache each chip keeps; with ep, the experts that a chip reads,
each chip having its own tokens: an expert of fewer chosen ones gets more rows of more
chips' tokens, which fill its tiles. Projections into the latent space and the router
are whole on each chip.
"""

from dataclasses import replace

from dsprof.analysis.npu.layers import SizedCall, SizedLayer
from dsprof.analysis.npu.link_bytes import MoeSizes, Parallel, experts_read
from dsprof.analysis.npu.weights import ATTENTION, EXPERTS, weight_bytes
from dsprof.analysis.whatif.project import Machines, layer_seconds
from dsprof.analysis.whatif.terms import CallTerms

ALL_FIRST_TILES = 2.0  # where max(first, 1 + first / 2) changes sides
WHOLE_OPS = ("fused_qkv_a_proj", "gate")


def sharded_seconds(layer: SizedLayer, sizes: MoeSizes, parallel: Parallel) -> float:
    """Seconds of one chip's part of a layer, without communication."""
    calls = tuple(_part(call, layer, sizes, parallel) for call in layer.calls)
    changed = replace(layer.terms, calls=calls)
    return float(layer_seconds(changed, Machines.of(layer.terms.source)))


def routed_flops(held: float, chosen: float) -> float:
    """Tensor FLOP of as many rows on ``chosen`` times as many experts, over those now.

    An expert's tiles are whole, so the cores are held for ``held`` times the FLOP: the
    first tile of each expert, or the rows and half of that tile, whichever is more.
    """
    first = held if held > ALL_FIRST_TILES else 2 * (held - 1)
    return max(first * chosen, 1 + first * chosen / 2) / held


def _part(
    call: SizedCall, layer: SizedLayer, sizes: MoeSizes, parallel: Parallel
) -> CallTerms:
    terms, row = call.terms, call.row
    if not terms.tensor_s or row.point.op in WHOLE_OPS:
        return terms
    flops = weights = 1 / parallel.tp
    if row.point.op.startswith(EXPERTS):
        tokens = layer.size.batch_size * layer.size.seq_len
        read = experts_read(sizes, parallel.ep, tokens)
        chosen = read / experts_read(sizes, 1, tokens)
        weights *= chosen
        flops *= routed_flops(call.held, chosen)
    if row.category == ATTENTION:
        weights = 1.0
    own = min(weight_bytes(row) / terms.hbm_bytes, 1.0) if terms.hbm_bytes else 0.0
    left = 1 - own * (1 - weights)
    return replace(
        terms,
        hbm_s=terms.hbm_s * left,
        on_chip_s=terms.on_chip_s * left,
        tensor_s={path: one * flops for path, one in terms.tensor_s.items()},
    )
