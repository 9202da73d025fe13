import pytest

from dsprof.analysis.npu.decode_units import (
    decode_units,
    few_rows,
    saved_s,
    unit_for,
)
from dsprof.analysis.npu.layers import NpuData


def test_a_unit_for_few_rows_needs_what_keeps_the_stream_going(
    streams: NpuData,
) -> None:
    calls = few_rows(streams.decode[0])
    assert [call.terms.kernel for call in calls] == ["linear"]
    # 8,192 FLOP on 33.65 MB at 5 TB/s: 1.2 GFLOP/s.
    unit = unit_for(streams, calls)
    assert unit.flops_per_s == pytest.approx(8192 / 33.65e6 * 5e12, rel=0.01)
    # 8.73 us against 6.73 us and the shortest launch, 2 us: nothing is saved.
    assert saved_s(streams.decode[0], calls, unit) < 0.1e-6


def test_many_rows_are_no_work_for_a_decode_unit(computes: NpuData) -> None:
    assert not few_rows(computes.decode[-1])
    # The widest layer has none; that of one row is left.
    assert len(decode_units(computes).findings) == len(computes.decode)
