from dsprof.analysis.npu.caches import Part, caches, residents
from dsprof.analysis.npu.layers import NpuData, npu_data
from tests.analysis.npu.planted import counted_rows
from tests.conftest import Factory


def test_resident_weights_take_the_streaming_away(streams: NpuData) -> None:
    (layer, *_) = streams.decode
    by_part = {one.part: one for one in residents(streams, layer)}
    # 4096 weights at one row: the product does 2 FLOP with each of its 4096 weights.
    assert by_part[Part.WEIGHTS].bytes == 2 * 4096
    assert by_part[Part.HANDED_ON].gain_pct < 1


def test_caches_say_what_was_counted(
    make_planted: Factory, make_counters: Factory
) -> None:
    planted = make_planted()
    rows = counted_rows(make_counters, planted, l2_hit_pct=62.5, l1_hit_pct=12.5)
    section = caches(npu_data(make_planted(counters=rows)))
    assert "L1 hits 12.5 % and L2 hits 62.5 %" in section.findings[0].detail
    # 200 kB through L2 for 100 kB of DRAM in both calls.
    assert "2.00 bytes for each of DRAM's 200 kB" in section.findings[0].detail


def test_caches_without_counters_say_so(streams: NpuData) -> None:
    assert caches(streams).outside[0] == (
        "Hit rates: this profile has no counters of a call that it timed."
    )
