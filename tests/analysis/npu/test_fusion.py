import pytest

from dsprof.analysis.npu.fusion import fusable, fusion, small_calls
from dsprof.analysis.npu.layers import NpuData


def test_the_norm_can_go_into_the_product_before_it(streams: NpuData) -> None:
    (layer, *_) = streams.decode
    assert [call.terms.kernel for call in small_calls(layer)] == ["rmsnorm"]
    (pair,) = fusable(layer)
    assert pair.before.terms.kernel == "linear"
    # The product writes 1,000 bytes, the norm reads 14,336.
    assert pair.bytes_between == 1000
    # Its launch of 2 us goes.
    assert pair.saved_s == pytest.approx(2e-6, rel=0.1)
    assert "1 launch and" in fusion(streams).recommendations[0].number
