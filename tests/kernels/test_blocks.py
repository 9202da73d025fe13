"""Block-aligned row lists, against one that is written expert by expert."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from dsprof.kernels import blocks

EXPERTS = 5
choices = st.lists(st.integers(0, EXPERTS - 1), min_size=1, max_size=60)
block_sizes = st.sampled_from([1, 4, 16])


def align(chosen: list[int], block_rows: int) -> tuple[list[int], list[int]]:
    rows: list[int] = []
    experts: list[int] = []
    for expert in range(EXPERTS):
        mine = [place for place, choice in enumerate(chosen) if choice == expert]
        used = -(-len(mine) // block_rows)
        rows += mine + [len(chosen)] * (used * block_rows - len(mine))
        experts += [expert] * used
    return rows, experts


@given(chosen=choices, block_rows=block_sizes)
def test_each_expert_fills_whole_blocks_and_the_rest_is_padding(
    chosen: list[int], block_rows: int
) -> None:
    capacity = blocks.capacity(len(chosen), EXPERTS, block_rows)
    ids = torch.tensor(chosen, dtype=torch.int32)
    listed, experts, in_use = blocks.align(ids, EXPERTS, block_rows, capacity)
    rows, expected = align(chosen, block_rows)
    assert listed.tolist() == rows + [len(chosen)] * (capacity - len(rows))
    assert experts.tolist()[: len(expected)] == expected
    assert in_use.tolist() == [len(rows)]
    assert {t.dtype for t in (listed, experts, in_use)} == {torch.int32}


@given(chosen=choices, block_rows=block_sizes)
def test_the_capacity_is_whole_blocks_and_holds_every_routing(
    chosen: list[int], block_rows: int
) -> None:
    capacity = blocks.capacity(len(chosen), EXPERTS, block_rows)
    assert capacity % block_rows == 0
    assert capacity >= len(align(chosen, block_rows)[0])
