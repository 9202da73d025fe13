from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.merge import MergedPoint, merge_point
from dsprof.analysis.whatif.traffic import Traffic, dirty_bytes, traffic
from dsprof.harness.records import Cache, Measurement, Phase, Point, Status
from tests.conftest import Factory

L2 = 50e6
Count = Callable[[Measurement, float, float], MergedPoint]


def row_of(read: float, written: float, tokens: int = 128) -> Measurement:
    point = Point(kernel="k", op="o", phase=Phase.DECODE, batch_size=tokens, seq_len=1)
    return Measurement(
        point=point, status=Status.OK, bytes_read=int(read), bytes_written=int(written)
    )


@pytest.fixture
def count(make_counters: Factory) -> Count:
    def make(row: Measurement, read: float, written: float) -> MergedPoint:
        launch = make_counters(
            label=row.point.label, dram_read_bytes=read, dram_write_bytes=written
        )
        return merge_point((launch,), row)

    return make


def cold(re_reads: tuple[tuple[int, float], ...] = ()) -> Traffic:
    return Traffic(cache=Cache.COLD, l2_bytes=L2, dirty_bytes=20e6, re_reads=re_reads)


def test_a_cold_call_reads_all_and_leaves_its_last_writes_in_the_cache() -> None:
    assert cold().hbm_bytes(row_of(100e6, 50e6)) == 130e6
    assert cold().hbm_bytes(row_of(10e6, 5e6)) == 10e6


def test_a_warm_call_that_fits_finds_everything_and_one_that_does_not_nothing() -> None:
    warm = Traffic(cache=Cache.WARM, l2_bytes=L2, dirty_bytes=20e6, re_reads=())

    assert warm.hbm_bytes(row_of(20e6, 10e6)) == 0  # 0.6 of L2
    assert warm.hbm_bytes(row_of(30e6, 10e6)) == 40e6  # 0.8 of it
    assert 0 < warm.hbm_bytes(row_of(25e6, 10e6)) < 35e6  # 0.7


def test_counted_re_reads_count_between_and_beyond_the_counted_sizes(
    count: Count,
) -> None:
    # 0.1 MB more are the launch's own code and tables.
    seen = [
        count(row_of(100e6, 0, tokens=16), 100.1e6, 0),
        count(row_of(100e6, 0, tokens=256), 300.1e6, 0),
    ]
    found = traffic(seen, Cache.COLD, L2, 20e6)

    assert found.hbm_bytes(row_of(1e6, 0, tokens=1)) == pytest.approx(1e6)
    assert found.hbm_bytes(row_of(1e6, 0, tokens=64)) == pytest.approx(2e6)
    assert found.hbm_bytes(row_of(1e6, 0, tokens=4096)) == pytest.approx(3e6)


def test_the_cache_moves_what_tiles_read_again_once_a_stream_is_one(
    make_counters: Factory,
) -> None:
    def counted(tokens: int, looked_up: float) -> MergedPoint:
        row = row_of(100e6, 0, tokens=tokens)
        launch = make_counters(label=row.point.label, l2_bytes=looked_up)
        return merge_point((launch,), row)

    # 1.54 look-ups a byte, beside 0.1 MB of the launch's own
    seen = [counted(16, 1.54 * 100.1e6), counted(256, 1.54 * 500.1e6)]
    found = traffic(seen, Cache.COLD, L2, 20e6)

    assert found.on_chip_bytes(row_of(1e6, 0, tokens=1)) == pytest.approx(1e6)
    assert found.on_chip_bytes(row_of(1e6, 0, tokens=64)) == pytest.approx(3e6)
    assert found.on_chip_bytes(row_of(1e6, 0, tokens=4096)) == pytest.approx(5e6)
    assert cold().on_chip_bytes(row_of(1e6, 2e6)) == 3e6


def test_dirty_bytes_are_what_large_calls_left_unwritten(count: Count) -> None:
    seen = [
        count(row_of(100e6, 100e6), 100e6, 76e6),
        count(row_of(100e6, 100e6), 100e6, 78e6),
        count(row_of(100e6, 100e6), 100e6, 80e6),
        count(row_of(1e6, 1e6), 1e6, 0),  # too small to show how much would stay
    ]

    assert dirty_bytes(seen, L2) == 22e6
    assert dirty_bytes([], L2) == pytest.approx(0.35 * L2)


@given(read=st.floats(0, 1e10), written=st.floats(0, 1e10))
def test_cold_traffic_lies_between_the_reads_and_everything(
    read: float, written: float
) -> None:
    row = row_of(read, written)

    assert row.bytes_read <= cold().hbm_bytes(row) <= row.total_bytes
