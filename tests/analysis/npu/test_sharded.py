import pytest

from dsprof.analysis.npu.layers import NpuData
from dsprof.analysis.npu.link_bytes import MoeSizes, Parallel
from dsprof.analysis.npu.sharded import routed_flops, sharded_seconds
from tests.analysis.npu.planted import MODEL

SIZES = MoeSizes.of({one.name: one.value for one in MODEL})


def test_only_matrix_products_get_shorter_on_more_chips(streams: NpuData) -> None:
    assert SIZES is not None
    for layer in streams.layers:
        whole = sharded_seconds(layer, SIZES, Parallel())
        assert whole == pytest.approx(layer.time_s)
        assert sharded_seconds(layer, SIZES, Parallel(tp=8)) <= whole


@pytest.mark.parametrize(
    ("held", "chosen", "executed"),
    [
        (1.0, 1 / 32, 1.0),  # full tiles, or no counters
        # 256 experts with 4 rows of a tile's 64: 16 times the FLOP. 8 experts with 128
        # rows each: 1024 rows and half a tile of each expert, 8 x 64 / 2 = 256.
        (16.0, 8 / 256, 1280 / 1024),
        (16.0, 1 / 2, 8.0),  # 8 rows of 64 are still mostly empty
        (1.5, 1 / 2, 1.25),  # half a tile an expert, and of half the experts
    ],
)
def test_fewer_experts_with_more_rows_fill_their_tiles(
    held: float, chosen: float, executed: float
) -> None:
    assert routed_flops(held, 1.0) == pytest.approx(1.0)
    assert held * routed_flops(held, chosen) == pytest.approx(executed)
