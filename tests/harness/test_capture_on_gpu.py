"""A capture under the real ncu: `pytest -m ncu`, on a GPU with counters open."""

import shutil
from functools import partial
from pathlib import Path

import pytest

from dsprof.analysis.capture_report import read_capture
from dsprof.harness.capture import CaptureRequest, CaptureResult, capture
from dsprof.harness.commands.apart import read_apart
from dsprof.harness.counters import metrics_to_ask, stall_metrics
from dsprof.harness.device import Datapath
from dsprof.harness.ncu import NcuOptions
from dsprof.harness.records import Cache, Phase, Point

pytestmark = [pytest.mark.ncu, pytest.mark.timeout(180)]
HERE = (9, 0)
BMM = Point(
    kernel="bmm_fp8",
    op="q_nope * w_kc",
    phase=Phase.DECODE,
    batch_size=128,
    seq_len=1,
)
NORM = Point(
    kernel="rmsnorm",
    op="input_layernorm",
    phase=Phase.PREFILL,
    batch_size=8,
    seq_len=2048,
)


def captured(folder: Path, *extra: str) -> CaptureResult:
    if shutil.which("ncu") is None:
        pytest.skip("ncu is not on PATH")
    request = CaptureRequest(
        points=[BMM, NORM],
        metrics=(*metrics_to_ask(set(Datapath), HERE), *extra),
        options=NcuOptions(cache=Cache.COLD),
        folder=folder,
        name="cold",
        timeout_s=60.0,
    )
    read = partial(read_apart, partial(read_capture, cache=Cache.COLD))
    return capture(request, read)


def test_a_default_capture_takes_at_most_12_passes_and_counts_exactly(
    tmp_path: Path,
) -> None:
    result = captured(tmp_path)
    assert result.gaps == []
    assert 0 < result.max_passes <= 12
    by_label = {row.label: row for row in result.counters}
    # 128 heads x 2 * 128 tokens * 512 * 128
    assert by_label[BMM.label].executed_flops[Datapath.FP8_TENSOR] == 2_147_483_648
    norm = by_label[NORM.label]
    # 16384 rows and the weight, 7168 wide, bf16
    compulsory_bytes = 2 * 7168 * (8 * 2048 + 1)
    assert norm.dram_read_bytes == pytest.approx(compulsory_bytes, rel=0.05)
    assert norm.missing == {}


def test_stall_reasons_come_with_at_most_18_passes(tmp_path: Path) -> None:
    result = captured(tmp_path, *stall_metrics(HERE))
    assert 0 < result.max_passes <= 18
    assert all(row.stalls["long_scoreboard"] >= 0 for row in result.counters)
