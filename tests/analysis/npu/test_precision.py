import pytest

from dsprof.analysis.npu.layers import NpuData, npu_data
from dsprof.analysis.npu.precision import precision, with_smaller_weights
from tests.analysis.npu.planted import Kind
from tests.conftest import Factory


def test_half_the_weights_halve_a_layer_that_only_reads_them(
    make_planted: Factory,
) -> None:
    data = npu_data(make_planted(kind=Kind.COMPUTE))
    (layer, *_) = data.decode
    assert with_smaller_weights(layer, weights=1.0) == pytest.approx(layer.time_s)
    assert with_smaller_weights(layer, weights=0.5) == pytest.approx(
        layer.time_s, rel=0.02
    )
    faster = with_smaller_weights(layer, weights=0.5, tensor_rate=2.0)
    # 20 us of arithmetic become 10, of 24 us in all.
    assert faster == pytest.approx(layer.time_s - 10e-6, rel=0.05)


def test_types_are_shown_with_their_share(streams: NpuData) -> None:
    assert (
        precision(streams).findings[0].detail.startswith("bfloat16 100 % of the time")
    )
