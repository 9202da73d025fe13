import pytest

from dsprof.analysis.npu.layers import NpuData
from dsprof.analysis.npu.link_bytes import MoeSizes, Parallel
from dsprof.analysis.npu.sharded import sharded_seconds
from tests.analysis.npu.planted import MODEL

SIZES = MoeSizes.of({one.name: one.value for one in MODEL})


def test_only_matrix_products_get_shorter_on_more_chips(streams: NpuData) -> None:
    assert SIZES is not None
    for layer in streams.layers:
        whole = sharded_seconds(layer, SIZES, Parallel())
        assert whole == pytest.approx(layer.time_s)
        assert sharded_seconds(layer, SIZES, Parallel(tp=8)) <= whole
