from collections.abc import Sequence
from dataclasses import replace

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


def test_experts_of_another_batch_are_outside_the_data(
    make_planted: Factory,
) -> None:
    planted = make_planted()
    assert not _of_choices(caches(npu_data(planted)).outside)
    routed = tuple(
        replace(row, point=replace(row.point, op="experts (gate_up)"))
        if row.point.op == "q_b_proj"
        else row
        for row in planted.measurements
    )
    data = npu_data(replace(planted, measurements=routed, slots=()))
    (words,) = _of_choices(caches(data).outside)
    # 8 of 256 experts at one token, in the 2 x 4096 x 4096 bytes and 100 kB of one row.
    assert "3.12 % of what decode B=1" in words
    assert "its last 33.6 MB; all 256 experts are 1.08 GB" in words


def _of_choices(outside: Sequence[str]) -> list[str]:
    return [one for one in outside if one.startswith("Whether the next batch")]
