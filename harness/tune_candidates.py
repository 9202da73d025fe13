"""What ``tune_fused_moe`` tries: ways to cut and pipeline the experts' two GEMMs.

Few rows are a matter of reading weights: what counts is how many bytes are on their way
at once (stages, programs an SM) and that tensor cores take FP8 as it is, which Hopper's
do only for 64 rows or, swapped, for 64 columns. Many rows are a matter of arithmetic.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from dsprof.kernels import moe_wgmma
from dsprof.kernels.moe_configs import GemmConfig, Implementation

# Rows an expert on average up to which blocks of so many rows are worth a try.
BLOCKS = ((2.0, (16,)), (8.0, (16, 32)), (24.0, (16, 32, 64)), (96.0, (64, 128)))
LARGE_BLOCKS = (128,)
WGMMA_ROWS = 12.0  # from here on, tiles of 64 rows may be worth their padding
TMA_CAPABILITY = (9, 0)
WIDE = 64  # rows of a block that fill Hopper's tensor cores
SPLIT_TOKENS = 8  # of more tokens, tiles without splits fill every SM
TAIL_TOKENS = 64  # of more, the last tiles, on some SMs only, are a small share

PLAIN = GemmConfig(
    block_n=128,
    block_k_bytes=128,
    group_m=1,
    split_k=1,
    warps=4,
    stages=3,
    swap=False,
    tma=False,
)
NARROW = replace(PLAIN, swap=True, tma=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Of one size of blocks; the first of each GEMM is what the others are held to."""

    block_m: int
    implementation: Implementation = Implementation.PORTABLE
    gate_up: Sequence[GemmConfig]
    down: Sequence[GemmConfig]


# Its tiles are fixed: 64 or 128 rows, 256 columns, 128 bytes of a row a step.
FIXED = replace(PLAIN, tma=True, group_m=moe_wgmma.MOST_TURNS)
WGMMA = Candidates(
    block_m=moe_wgmma.BLOCK_ROWS,
    implementation=Implementation.WGMMA,
    gate_up=[replace(FIXED, stages=stages) for stages in (3, 2)],
    down=[replace(FIXED, stages=stages) for stages in (4, 3, 2)],
)


def candidates(
    rows_per_expert: float, tokens: int, *, capability: tuple[int, int]
) -> list[Candidates]:
    """Every size of blocks that is worth a try for so many rows on such a GPU."""
    has_tma = capability >= TMA_CAPABILITY
    sizes = next((b for most, b in BLOCKS if rows_per_expert <= most), LARGE_BLOCKS)
    found = [
        Candidates(
            block_m=size,
            gate_up=_unique(
                _wide_gate_up(size) if size >= WIDE else _narrow_gate_up(tokens),
                has_tma=has_tma,
            ),
            down=_unique(
                _wide_down(size) if size >= WIDE else _narrow_down(tokens),
                has_tma=has_tma,
            ),
        )
        for size in sizes
    ]
    if capability != moe_wgmma.COMPUTE_CAPABILITY or rows_per_expert < WGMMA_ROWS:
        return found
    return [WGMMA] if sizes == LARGE_BLOCKS else [*found, WGMMA]


def _unique(found: Iterator[GemmConfig], *, has_tma: bool) -> list[GemmConfig]:
    return list(dict.fromkeys(c for c in found if has_tma or not c.tma))


def _wide_gate_up(block_m: int) -> Iterator[GemmConfig]:
    yield replace(PLAIN, group_m=16, warps=8)
    for tma, stages, group_m in product((True, False), (3, 4), (8, 32)):
        yield replace(PLAIN, tma=tma, stages=stages, group_m=group_m, warps=8)
    if block_m == WIDE:  # swapped, more rows would not fit into registers
        for stages in (3, 4):
            yield replace(NARROW, stages=stages, group_m=8, warps=8)


def _narrow_gate_up(tokens: int) -> Iterator[GemmConfig]:
    yield PLAIN
    yield replace(PLAIN, stages=5)
    if tokens <= SPLIT_TOKENS:
        for stages, split_k in product((2, 3, 4, 6), (1, 2, 4, 7)):
            yield replace(NARROW, stages=stages, split_k=split_k)
    else:
        for stages, group_m in product((2, 3, 4, 5, 6), (1, 16)):
            yield replace(NARROW, stages=stages, group_m=group_m)
    if SPLIT_TOKENS < tokens <= TAIL_TOKENS:
        for stages, split_k in product((3, 6), (2, 4)):
            yield replace(NARROW, stages=stages, split_k=split_k)
    for stages in (3, 6):
        yield replace(NARROW, stages=stages, warps=8)
        yield replace(NARROW, stages=stages, tma=False)


def _wide_down(block_m: int) -> Iterator[GemmConfig]:
    yield replace(PLAIN, group_m=16, warps=8)
    for tma, stages, group_m in product((True, False), (3, 4), (8, 32)):
        wide = replace(PLAIN, tma=tma, stages=stages, group_m=group_m, warps=8)
        yield wide
        if block_m == WIDE:
            yield replace(wide, warps=4)
    if block_m == WIDE:
        for stages in (3, 4):
            yield replace(NARROW, stages=stages, group_m=8, warps=8)


def _narrow_down(tokens: int) -> Iterator[GemmConfig]:
    yield PLAIN
    yield replace(PLAIN, stages=5)
    for block_n, stages in product((64, 128), (3, 4, 6, 8)):
        config = replace(NARROW, block_n=block_n, stages=stages)
        yield config
        is_tiny = tokens <= SPLIT_TOKENS
        yield replace(config, split_k=2) if is_tiny else replace(config, group_m=16)
    for stages in (4, 8):
        yield replace(NARROW, stages=stages, tma=False)
