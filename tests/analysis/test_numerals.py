import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.numerals import (
    plural,
    rated,
    scaled_bytes,
    scaled_flops,
    significant,
)


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (1.7194, "1.72"),
        (24.449, "24.4"),
        (9.996, "10.0"),
        (267.5, "268"),
        (12345.6, "12,346"),
        (0.0016751, "0.00168"),
        (3.3e-7, "3.30e-07"),
        (0.0, "0"),
        (-0.5, "-0.500"),
        (math.nan, "-"),
        (math.inf, "inf"),
    ],
)
def test_numbers_keep_three_significant_digits(value: float, printed: str) -> None:
    assert significant(value) == printed


@given(st.floats(1e-9, 1e12))
def test_a_printed_number_is_within_half_a_digit_of_its_value(value: float) -> None:
    printed = float(significant(value).replace(",", ""))
    assert printed == pytest.approx(value, rel=5.1e-3)


@pytest.mark.parametrize(
    ("value", "printed"),
    [(1979, "1,979"), (989.5, "989.5"), (66.9, "66.9"), (10000, "10,000"), (5, "5")],
)
def test_rated_numbers_end_without_zeros_after_the_point(
    value: float, printed: str
) -> None:
    assert rated(value) == printed


def test_counts_take_the_decimal_unit_that_fits() -> None:
    assert scaled_bytes(43_008) == "43.0 kB"
    assert scaled_bytes(2.42e9) == "2.42 GB"
    assert scaled_flops(0) == "0 FLOP"
    assert scaled_flops(275e9) == "275 GFLOP"


def test_one_takes_no_s() -> None:
    assert plural(1, "point") == "1 point"
    assert plural(1200, "point") == "1,200 points"
