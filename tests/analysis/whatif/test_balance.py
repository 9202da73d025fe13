import pytest
from hypothesis import given

from dsprof.analysis.whatif.balance import balance, intensity, intensity_parts
from dsprof.analysis.whatif.terms import LayerTerms
from dsprof.harness.device import Datapath
from tests.analysis.whatif.drawn_layers import layers
from tests.analysis.whatif.hand_made import BF16, FP8, make_call, make_layer


def test_the_balance_moves_to_where_half_of_the_time_is_balanced() -> None:
    # The first call is balanced from twice the bandwidth on, the second from ten
    # times. At twice, 50 us are balanced and the other call takes 100 / 2 us: half.
    layer = make_layer(make_call(hbm=100, tensor=50), make_call(hbm=100, tensor=10))
    found = balance(layer)
    assert found is not None
    assert found.source_flop_per_byte == pytest.approx(400)  # 2e15 / 5e12
    assert found.source_share == 0
    half, most = found.points
    assert half.flop_per_byte == pytest.approx(200)
    assert half.hbm_bytes_per_s == pytest.approx(1e13)
    # 50 / (50 + 100 / x) = 0.9 at x = 18: before that, from x = 10, all of it is.
    assert most.flop_per_byte == pytest.approx(40)


def test_calls_without_flop_are_never_balanced() -> None:
    layer = make_layer(make_call(hbm=10, fixed=40), make_call(tensor=40, hbm=80))
    found = balance(layer)
    assert found is not None
    half, most = found.points
    assert half.flop_per_byte is None
    assert half.most_share == pytest.approx(0.5, abs=1e-5)  # 40 of 40 + 40 us
    assert most.flop_per_byte is None


def test_a_layer_without_flop_has_no_balance() -> None:
    assert balance(make_layer(make_call(hbm=10))) is None


def test_the_main_datapath_is_that_of_the_longest_calls() -> None:
    found = balance(make_layer(make_call(bf16=70), make_call(tensor=60)))
    assert found is not None
    assert found.datapath is BF16
    more = balance(make_layer(make_call(bf16=70), make_call(tensor=60, count=2)))
    assert more is not None
    assert more.datapath is FP8


def test_intensity_is_all_flop_over_compulsory_bytes() -> None:
    call = make_call(
        hbm=1, flops={FP8: 600.0, Datapath.FP32: 40.0}, footprint_bytes=10.0
    )
    assert intensity(call) == 64
    (part,) = intensity_parts(make_layer(call))
    assert (part.low, part.high) == (64, 128)
    assert part.share_pct == pytest.approx(100)
    assert part.calls == ("gemm q_b_proj",)


@given(layer=layers())
def test_the_histogram_holds_all_of_the_time(layer: LayerTerms) -> None:
    parts = intensity_parts(layer)
    assert sum(part.share_pct for part in parts) == pytest.approx(100)
    assert [part.low for part in parts] == sorted(part.low for part in parts)
    assert sum(len(part.calls) for part in parts) == len(layer.calls)


@given(layer=layers())
def test_more_of_the_time_needs_no_larger_balance(layer: LayerTerms) -> None:
    found = balance(layer, shares=(0.2, 0.5, 0.9))
    if found is None:
        return
    known = [p.flop_per_byte for p in found.points if p.flop_per_byte is not None]
    assert known == sorted(known, reverse=True)
    for point in found.points:
        assert (point.flop_per_byte is None) == (point.most_share < point.share)
