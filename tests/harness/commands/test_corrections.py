"""Three figures are held to sums that are done here by hand."""

import pytest

from dsprof.analysis.report.corrections import Correction
from dsprof.harness.commands.corrections import corrections


@pytest.fixture(scope="module")
def by_subject() -> dict[str, Correction]:
    return {correction.subject: correction for correction in corrections()}


def test_no_figure_is_there_twice(by_subject: dict[str, Correction]) -> None:
    assert len(by_subject) == len(corrections()) > 30


def test_every_figure_names_its_document_and_both_numbers(
    by_subject: dict[str, Correction],
) -> None:
    for one in by_subject.values():
        assert all((one.source, one.stated, one.recomputed, one.how))
        assert one.stated != one.recomputed
    assert len({one.source for one in by_subject.values()}) == 4


def test_the_intensity_of_q_b_proj(by_subject: dict[str, Correction]) -> None:
    # M=128, N=24576, K=1536, 9/16 byte an operand and 2 an output:
    # 9/16 x (128 x 1536 + 24576 x 1536) + 2 x 128 x 24576 = 27,635,712 B;
    # 2 x 128 x 24576 x 1536 = 9,663,676,416 FLOP.
    found = by_subject["AI of q_b_proj at M=128"]
    assert (
        found.recomputed
        == f"{9_663_676_416 / 27_635_712:.1f}, memory"
        == ("349.7, memory")
    )


def test_the_rate_of_the_example_row(by_subject: dict[str, Correction]) -> None:
    # 2 x 24576 x 1536 = 75,497,472 FLOP in 12.3 us.
    found = by_subject["gflops of that row"]
    assert found.recomputed == f"{75_497_472 / 12.3e-6 / 1e9:,.0f}" == "6,138"


def test_the_flop_of_prefill_attention(by_subject: dict[str, Correction]) -> None:
    # 128 heads, 1024 x 1025 / 2 pairs, 2 x 192 for a score and 2 x 128 for a value.
    flops = 128 * 1024 * 1025 // 2 * (2 * 192 + 2 * 128)
    assert flops == 42_991_616_000
    found = by_subject["FLOP of prefill attention, B=1 S=1024"]
    assert found.recomputed == "43.0 GFLOP"


def test_the_weights_that_one_token_needs(by_subject: dict[str, Correction]) -> None:
    # One expert on average: 3 x 7168 x 2048 FP8 and a FP32 scale a 128 x 128 block.
    total_bytes = 3 * 7168 * 2048 + 4 * 3 * 7168 * 2048 // 128**2
    assert total_bytes == 44_050_944
    found = by_subject["Weight bytes read at T=1, 32 of 256 experts on the GPU"]
    assert found.recomputed == "44.1 MB, 5.51 us"


def test_the_crossover_of_all_experts_on_an_h200(
    by_subject: dict[str, Correction],
) -> None:
    # T x 704,643,072 / 1979e12 = (256 x 44,050,944 + 28,672 T) / 4.8e12
    tokens = 256 * 44_050_944 / (704_643_072 * 4.8 / 1979 - 28_672)
    subject = next(name for name in by_subject if "FP8, NVIDIA H200" in name)
    assert by_subject[subject].recomputed == "6,711"
    assert 6710 < tokens <= 6711
