from dataclasses import replace

import pytest
import torch

from dsprof.harness.errors import UsageError
from dsprof.harness.tune_candidates import PLAIN, candidates
from dsprof.harness.tune_fused_moe import Trial, describe, main, merged, rms_share
from dsprof.kernels.moe_configs import Implementation, MoeConfig, Shape

SHAPE = Shape(dtype="float8_e4m3fn", experts=256, hidden=7168, intermediate=2048)
OLD = MoeConfig(
    max_rows_per_expert=1.0,
    block_m=16,
    implementation=Implementation.PORTABLE,
    gate_up=PLAIN,
    down=PLAIN,
    gpu="Toy",
    shape=SHAPE,
)


def test_a_tuned_entry_replaces_that_of_its_gpu_shape_and_rows() -> None:
    new = replace(OLD, block_m=64)
    others = [
        replace(OLD, gpu="Another"),
        replace(OLD, max_rows_per_expert=2.0),
        replace(OLD, gpu="", shape=None),
    ]
    assert merged([OLD, *others], [new]) == [*others, new]


@pytest.mark.parametrize("tokens", [1, 8, 32, 128, 512, 2048, 16384])
@pytest.mark.parametrize("capability", [(9, 0), (8, 9)])
def test_few_enough_candidates_are_tried_and_none_twice(
    tokens: int, capability: tuple[int, int]
) -> None:
    tried = candidates(tokens * 8 / 256, tokens, capability=capability)
    assert tried
    for size in tried:
        for configs in (size.gate_up, size.down):
            assert 2 <= len(configs) <= 24
            assert len(set(configs)) == len(configs)
            assert capability >= (9, 0) or not any(c.tma for c in configs)
        # With FP8 the activation's columns are one scale group.
        assert {config.block_n for config in size.gate_up} == {128}


def test_more_rows_are_tried_in_larger_blocks() -> None:
    sizes = [
        [size.block_m for size in candidates(rows, 999, capability=(10, 0))]
        for rows in (0.03, 4, 16, 64, 500)
    ]
    assert sizes == [[16], [16, 32], [16, 32, 64], [64, 128], [128]]


def test_tiles_for_hopper_are_tried_there_alone_and_for_many_rows() -> None:
    def tried(rows: float, capability: tuple[int, int]) -> set[Implementation]:
        found = candidates(rows, 999, capability=capability)
        return {size.implementation for size in found}

    both = {Implementation.PORTABLE, Implementation.WGMMA}
    assert tried(4, (9, 0)) == {Implementation.PORTABLE}
    assert tried(32, (9, 0)) == both
    assert tried(500, (9, 0)) == {Implementation.WGMMA}
    assert tried(500, (10, 0)) == {Implementation.PORTABLE}


def test_the_difference_is_a_share_of_what_is_expected() -> None:
    expected = torch.tensor([3.0, -4.0])
    # sqrt(0.5 / 2) over sqrt(25 / 2) is 1 / sqrt(50).
    assert rms_share(torch.tensor([3.5, -3.5]), expected) == pytest.approx(50**-0.5)


def test_a_line_says_what_was_tried_and_its_time_or_problem() -> None:
    trial = Trial(gemm="down", block_m=16, config=replace(PLAIN, swap=True, tma=True))
    timed = describe(4, replace(trial, time_us=31.25))
    assert timed.startswith("     4 down    m16")
    assert timed.endswith("warps 4 stages 3 swap tma: 31.2 us")
    assert describe(4, replace(trial, problem="off by 30.0%")).endswith(
        ": off by 30.0%"
    )


@pytest.mark.parametrize("tokens", ["", "0", "1,x", "1,,2", "-1"])
def test_tokens_that_are_no_counts_are_refused(tokens: str) -> None:
    with pytest.raises(UsageError, match=r"Give counts such as 1,2,4\."):
        main([f"--tokens={tokens}", "-o", "unused.toml"])
