"""Runs pair_blocks through Triton's interpreter: lists of experts in, tiles out.

A process of its own: Triton reads TRITON_INTERPRET once, when it is imported.
"""

import json
import sys

import torch

from dsprof.kernels.experts._pair_blocks import pair_blocks
from dsprof.kernels.moe_gemm import RowList
from dsprof.kernels.moe_wgmma import BLOCK_ROWS, bind_pairing, make_tiles


def tiles_of(experts: list[int], spare: int) -> list[list[int]]:
    """Tiles and groups of these experts' blocks, in a list with room for more."""
    ids = torch.tensor(experts + [999] * spare, dtype=torch.int32)
    rows = RowList(
        block_rows=BLOCK_ROWS,
        sorted_token_ids=torch.zeros(len(ids) * BLOCK_ROWS, dtype=torch.int32),
        expert_ids=ids,
        num_tokens_post_padded=torch.tensor(
            [len(experts) * BLOCK_ROWS], dtype=torch.int32
        ),
    )
    tiles = make_tiles(rows)
    bind_pairing(pair_blocks, rows, tiles)()
    count = int(tiles.num_tiles)
    return [tiles.tiles[:count].tolist(), tiles.groups[:count].tolist()]


if __name__ == "__main__":
    found = [tiles_of(experts, spare) for experts, spare in json.load(sys.stdin)]
    json.dump(found, sys.stdout)
