import pytest

from dsprof.analysis.npu.interconnect import interconnect, link_bytes_per_s
from dsprof.analysis.npu.layers import NpuData, npu_data
from dsprof.analysis.npu.link_bytes import MoeSizes, Parallel
from tests.analysis.npu.planted import MODEL
from tests.conftest import Factory

SIZES = MoeSizes.of({one.name: one.value for one in MODEL})


def test_links_carry_a_layers_tokens_in_a_tenth_of_its_time(computes: NpuData) -> None:
    assert SIZES is not None
    layer, chips = computes.decode[-1], Parallel(tp=8)
    # 128 tokens of 50,176 B in a tenth of an eighth of 2,560 us and 4.2 us more.
    expected = 128 * 50_176 / (0.1 * (2560e-6 / 8 + 4.7e-6))
    assert link_bytes_per_s(layer, SIZES, chips) == pytest.approx(expected, rel=0.02)


def test_without_the_models_sizes_there_are_no_bytes(make_planted: Factory) -> None:
    section = interconnect(npu_data(make_planted(model=())), Parallel())
    assert not section.findings
    assert not section.tables
    assert "names none" in section.outside[0]


def test_the_users_chips_stand_beside_the_usual_ones(streams: NpuData) -> None:
    section = interconnect(streams, Parallel(tp=4, ep=64))
    assert section.tables[0].rows[-1][0] == "TP=4 EP=64"
    assert len(section.tables[0].rows) == 5
    assert len(interconnect(streams, Parallel(tp=8)).tables[0].rows) == 4
