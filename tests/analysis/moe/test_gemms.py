import pytest

from dsprof.analysis.moe.gemms import gemm_rates
from dsprof.analysis.moe.stage_names import PipelineStage
from dsprof.analysis.moe.study import Study
from tests.analysis.moe.made import DEEPSEEK


def test_both_gemms_have_their_own_rates(whole_study: Study) -> None:
    first = whole_study.reached()[0]
    up, down = gemm_rates(first, DEEPSEEK)
    assert (up.stage, down.stage) == (PipelineStage.GATE_UP, PipelineStage.DOWN)
    # 2 x 2 x 7168 x 2048 x 8 = 469.8 MFLOP and 2/3 of 8 x 44.05 MB in 80 us.
    assert up.flops_per_s == pytest.approx(469_762_048 / 80e-6)
    assert up.weight_bytes_per_s == pytest.approx(8 * 44_050_944 * 2 / 3 / 80e-6)
    assert down.flops_per_s == pytest.approx(234_881_024 / 40e-6)


def test_without_launches_there_are_none(whole_study: Study) -> None:
    assert list(gemm_rates(whole_study.reached()[1], DEEPSEEK)) == []
