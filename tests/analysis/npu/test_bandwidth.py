import pytest

from dsprof.analysis.npu.bandwidth import bandwidth, bytes_per_s, knee_bytes_per_s
from dsprof.analysis.npu.layers import NpuData


def test_a_layers_bandwidth_is_its_bytes_over_its_time(streams: NpuData) -> None:
    # 33.65 MB of the product and 14 kB read by the norm, in 8.73 us and 2.01 us.
    assert bytes_per_s(streams.decode[0]) == pytest.approx(33.67e6 / 10.74e-6, rel=0.01)


def test_a_layer_that_streams_gains_beyond_its_bandwidth(streams: NpuData) -> None:
    assert (knee_bytes_per_s(streams.decode[0]) or 0) > 5e12


def test_a_layer_that_computes_needs_less_bandwidth_than_it_has(
    computes: NpuData,
) -> None:
    assert (knee_bytes_per_s(computes.decode[-1]) or 0) < 5e12


def test_bandwidth_cites_the_rows_that_hbm_limits(streams: NpuData) -> None:
    (decode, _) = bandwidth(streams).recommendations
    assert decode.rows[0].startswith("linear/q_b_proj/decode/")
