from dataclasses import replace

import pytest

from dsprof.analysis.moe.geometry import NumberFormat
from dsprof.harness.device import Datapath
from dsprof.harness.errors import UsageError
from tests.analysis.moe.made import DEEPSEEK, EXPERT_BYTES, make_geometry


def test_an_fp8_expert_has_a_scale_for_each_square_block() -> None:
    # 3 x 7168 x 2048 = 44,040,192 bytes and 44,040,192 / 128^2 x 4 = 10,752.
    assert DEEPSEEK.expert_bytes == 44_040_192 + 10_752 == EXPERT_BYTES
    assert DEEPSEEK.operand_bytes(7168) == 7168 + 224


def test_an_nvfp4_expert_has_nine_bytes_for_sixteen_values() -> None:
    fp4 = replace(DEEPSEEK, number_format=NumberFormat.FP4, block_size=16)
    assert fp4.expert_bytes == 44_040_192 * 9 // 16 == 24_772_608
    assert fp4.operand_bytes(7168) == 7168 * 9 // 16 == 4_032


def test_a_bf16_expert_has_no_scales() -> None:
    bf16 = replace(DEEPSEEK, number_format=NumberFormat.BF16, block_size=1)
    assert bf16.expert_bytes == 88_080_384
    assert bf16.operand_bytes(2048) == 4_096


@pytest.mark.parametrize("number_format", NumberFormat)
def test_every_format_has_its_datapath(number_format: NumberFormat) -> None:
    assert number_format.datapath is Datapath(f"{number_format}_tensor")


def test_the_label_says_every_size() -> None:
    assert make_geometry(local_experts=32).label == (
        "moe_fp8_topk8_ng8_kg4_e32of256_h7168_i2048"
    )
    assert make_geometry(local_experts=32).title == "32 of 256 experts"
    assert DEEPSEEK.title == "all 256 experts"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"top_k": 257}, "Top-k 257 exceeds the 256 experts. Give at most 256."),
        ({"local_experts": 257}, "257 of 256 experts cannot be local."),
        ({"hidden": 7100}, "hidden size 7100 is no multiple of the block size 128."),
        ({"intermediate": 2000}, "intermediate size 2000 is no multiple of"),
        ({"groups": 7}, "7 groups do not divide 256 experts."),
        ({"top_groups": 9}, "A token cannot take 9 of 8 groups."),
        ({"groups": 64, "top_groups": 1}, "Top-k 8 exceeds the 4 experts of 1 of 64"),
        ({"top_k": 0}, "Top-k is 0. Give at least 1."),
        ({"number_format": NumberFormat.BF16}, "BF16 has no scales"),
    ],
)
def test_a_geometry_that_cannot_be_is_refused(
    changes: dict[str, int], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        make_geometry(**changes)
    assert words in str(caught.value)


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        make_geometry(local_experts=300, hidden=100, intermediate=100)
    assert str(caught.value).count("Give ") == 3
