import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.npu.link_bytes import (
    MoeSizes,
    Parallel,
    all_reduce_bytes,
    all_to_all_bytes,
    between_nodes_bytes,
    experts_read,
    kv_transfer_bytes,
    remote_copies,
)
from tests.analysis.npu.planted import MODEL

DEEPSEEK = MoeSizes(hidden=7168, experts=256, top_k=8, kv_values=576, layers=61)
chips = st.integers(1, 512)


def test_the_sizes_come_out_of_the_model_by_name() -> None:
    assert MoeSizes.of({one.name: one.value for one in MODEL}) == DEEPSEEK


@pytest.mark.parametrize("absent", [one.name for one in MODEL])
def test_a_profile_without_one_of_the_sizes_has_none(absent: str) -> None:
    known = {one.name: one.value for one in MODEL if one.name != absent}
    assert MoeSizes.of(known) is None


def test_one_chip_sends_nothing() -> None:
    assert all_reduce_bytes(DEEPSEEK, 1) == 0
    assert all_to_all_bytes(DEEPSEEK, 1) == 0
    assert between_nodes_bytes(DEEPSEEK, Parallel()) == 0


def test_eight_chips_reduce_two_messages_of_the_hidden_size() -> None:
    # 2 all-reduces x 2 x 7/8 x 7168 x 2 B
    assert all_reduce_bytes(DEEPSEEK, 8) == 50_176


def test_dispatch_and_combine_agree_with_deepseeks_own_sum() -> None:
    # "Insights into DeepSeek-V3", 2.3.2: (1 B + 2 B) x 32 tokens x 9 experts x 7K at
    # 50 GB/s is 120.96 us. Here the scales come on top, and no chip is its own peer.
    sizes = MoeSizes(hidden=7000, experts=256, top_k=9, kv_values=576, layers=61)
    everywhere = 10**9
    scales = 9 * 32 * 7000 / 128 * 4
    moved = 32 * all_to_all_bytes(sizes, everywhere) - scales
    assert moved / 50e9 == pytest.approx(120.96e-6, rel=1e-6)


def test_the_cache_of_61_layers_is_that_of_the_published_table() -> None:
    # The same paper's table 1: 70.272 KB a token for DeepSeek-V3.
    assert 61 * kv_transfer_bytes(DEEPSEEK) == 70_272


def test_a_token_crosses_to_at_most_four_nodes() -> None:
    # 40 nodes: 4 x 39/40 copies of 7168 x 3 B and 56 scales of 4 B.
    expected = 4 * 39 / 40 * (3 * 7168 + 56 * 4)
    assert between_nodes_bytes(DEEPSEEK, Parallel(ep=320)) == pytest.approx(expected)


def test_experts_of_one_node_stay_inside_it() -> None:
    assert between_nodes_bytes(DEEPSEEK, Parallel(ep=8)) == 0


def test_one_token_reads_as_many_experts_as_it_chooses() -> None:
    assert experts_read(DEEPSEEK, 1, 1) == pytest.approx(8)


@given(few=chips, more=chips)
def test_more_chips_never_send_less_a_token(few: int, more: int) -> None:
    few, more = sorted((few, more))
    assert all_reduce_bytes(DEEPSEEK, few) <= all_reduce_bytes(DEEPSEEK, more)
    assert all_to_all_bytes(DEEPSEEK, few) <= all_to_all_bytes(DEEPSEEK, more)
    assert between_nodes_bytes(DEEPSEEK, Parallel(ep=few)) <= (
        between_nodes_bytes(DEEPSEEK, Parallel(ep=more)) * (1 + 1e-12)
    )


@given(few=chips, more=chips, tokens=st.integers(1, 16384))
def test_more_chips_never_read_more_experts_each(
    few: int, more: int, tokens: int
) -> None:
    few, more = sorted((few, more))
    least = experts_read(DEEPSEEK, more, tokens)
    assert least <= experts_read(DEEPSEEK, few, tokens) * (1 + 1e-9)
    assert 0 < least <= max(256 / more, 1)


@given(ep=chips)
def test_no_more_copies_leave_a_chip_than_experts_are_chosen(ep: int) -> None:
    assert 0 <= remote_copies(DEEPSEEK, ep) < 8
    assert between_nodes_bytes(DEEPSEEK, Parallel(ep=ep)) <= (
        all_to_all_bytes(DEEPSEEK, ep) * (1 + 1e-12)
    )
