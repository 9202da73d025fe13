import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.whatif.design_sweep import (
    EXAMPLES,
    MOST_POINTS,
    DesignSweep,
    parse_sweep,
)
from dsprof.analysis.whatif.resource import Resource
from dsprof.harness.errors import UsageError


def test_axes_have_base_units_in_the_order_they_were_named() -> None:
    sweep = parse_sweep("bandwidth=1TB:16TB, fp8=250T:4P:20,sram=32MB:512MB,launch=2us")
    assert [
        (axis.resource, axis.low, axis.high, axis.steps) for axis in sweep.axes
    ] == [
        (Resource.BANDWIDTH, 1e12, 16e12, None),
        (Resource.FP8, 250e12, 4e15, 20),
        (Resource.ON_CHIP_CAPACITY, 32e6, 512e6, None),
        (Resource.LAUNCH, 2e-6, 2e-6, None),
    ]


@pytest.mark.parametrize("example", EXAMPLES.values())
def test_every_form_that_an_error_names_is_accepted(example: str) -> None:
    (axis,) = parse_sweep(f"{example}:20").axes
    assert axis.steps == 20
    assert axis.low < axis.high


def test_values_are_log_spaced_with_both_ends() -> None:
    values = parse_sweep("bandwidth=1TB:16TB:5").values(100)
    assert values[Resource.BANDWIDTH] == pytest.approx([1e12, 2e12, 4e12, 8e12, 16e12])


def test_axes_without_steps_share_the_points() -> None:
    sweep = parse_sweep("bandwidth=1TB:16TB,fp8=250T:4000T,sram=32MB:512MB,launch=1us")
    sizes = [len(one) for one in sweep.values(1_000_000).values()]
    assert sizes == [100, 100, 100, 1]
    with_steps = parse_sweep("bandwidth=1TB:16TB:10,fp8=250T:4000T")
    assert [len(one) for one in with_steps.values(1000).values()] == [10, 100]


@given(points=st.integers(4, 200_000), axes=st.integers(1, 2))
def test_a_sweep_has_at_most_the_points_asked_for(points: int, axes: int) -> None:
    text = ",".join(("bandwidth=1TB:16TB", "fp8=250T:4000T")[:axes])
    sizes = [len(one) for one in parse_sweep(text).values(points).values()]
    assert math.prod(sizes) <= points
    assert (sizes[0] + 1) ** axes > points


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flops=1T:2T", "'flops=1T:2T' has no known key. Give one of bandwidth, fp8"),
        ("", "has no known key"),
        ("bandwidth", "is no range. Give bandwidth=1TB:16TB"),
        ("bandwidth=", "is no range"),
        ("bandwidth=1TB:", "is no range"),
        ("bandwidth=1TB:2TB:3:4", "is no range"),
        ("bandwidth=16TB:1TB", "from 16TB to 1TB, not upwards. Give bandwidth="),
        ("bandwidth=4TB:4TB", "not upwards"),
        ("sram=-1MB:2MB", "'-1MB', which is not above zero. Give sram=32MB:512MB"),
        ("sram=0:2MB", "not above zero"),
        ("fp8=250TB:4000TB", "is no value ('TB' is not FLOP/s with a prefix). Give"),
        ("fp8=1TB:2TB", "'1TB'"),
        ("sram=1W:2W", "'1W'"),
        ("bandwidth=4.8:16", "'4.8', outside"),
        ("launch=1us:inf", "'inf'"),
        ("launch=5:10", "outside"),
        ("fp8=many:more", "does not begin with a number"),
        ("fp8=1T:2T:1", "'1' steps, which is no whole number of at least 2"),
        ("fp8=1T:2T:x", "'x' steps"),
        ("fp8=1T:2T:2.5", "'2.5' steps"),
        ("fp8=1T:2T,fp8=1T:3T", "names fp8 twice"),
        ("fp8=1T:2T,", "has no known key"),
    ],
)
def test_a_wrong_sweep_is_named_with_the_accepted_form(text: str, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_sweep(text)
    assert words in str(raised.value)
    assert "Give" in str(raised.value)


@given(text=st.text(alphabet="bandwithfp84srm=:,.0123456789TBMGe+-_ ", max_size=60))
def test_any_text_is_a_sweep_or_a_usage_error(text: str) -> None:
    try:
        sweep = parse_sweep(text)
    except UsageError:
        return
    for axis in sweep.axes:
        assert 0 < axis.low <= axis.high < math.inf


def test_too_many_points_are_refused_before_they_are_made() -> None:
    with pytest.raises(UsageError, match="at most 10,000,000"):
        parse_sweep("bandwidth=1TB:2TB:10000,fp8=1T:2T:10000").values(100)
    for points in (0, -1, MOST_POINTS + 1):
        with pytest.raises(UsageError, match="points cannot be evaluated"):
            parse_sweep("bandwidth=1TB:2TB").values(points)


def test_no_axis_is_one_machine() -> None:
    assert DesignSweep(axes=()).values(10) == {}
    assert np.array([]).size == 0
