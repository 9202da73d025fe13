"""Numbers with units, as a user writes them."""

import math
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.whatif.quantity import (
    BINARY,
    PREFIXES,
    SPELLINGS,
    QuantityError,
    Unit,
    read_quantity,
)

POSITIVE = st.decimals(
    min_value=Decimal("0.001"), max_value=Decimal(9999), places=3, allow_nan=False
)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("4TB/s", Unit.BYTES_PER_S, 4e12),
        ("4000 GB/s", Unit.BYTES_PER_S, 4e12),
        ("4T", Unit.BYTES_PER_S, 4e12),
        ("1 TiB/s", Unit.BYTES_PER_S, 2.0**40),
        ("2000T", Unit.FLOP_PER_S, 2e15),
        ("2 PFLOP/s", Unit.FLOP_PER_S, 2e15),
        ("1979 TFLOPS", Unit.FLOP_PER_S, 1.979e15),
        ("512MB", Unit.BYTES, 512e6),
        ("60 MiB", Unit.BYTES, 62_914_560),
        ("62_914_560", Unit.BYTES, 62_914_560),
        ("2us", Unit.SECONDS, 2e-6),
        ("600 ns", Unit.SECONDS, 600e-9),
        ("1.5\u00b5s", Unit.SECONDS, 1.5e-6),
        ("1.5 \u03bcs", Unit.SECONDS, 1.5e-6),
        ("2e-6", Unit.SECONDS, 2e-6),
        ("0.7kW", Unit.WATTS, 700.0),
        ("700", Unit.WATTS, 700.0),
    ],
)
def test_text_with_a_unit_is_a_number_in_base_units(
    text: str, unit: Unit, value: float
) -> None:
    assert read_quantity(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit", "message"),
    [
        ("4TB", Unit.BYTES_PER_S, "'TB' is not B/s with a prefix"),
        ("4Tb/s", Unit.BYTES_PER_S, "'Tb/s' is not B/s"),
        ("4tB/s", Unit.BYTES_PER_S, "'tB/s' is not B/s"),
        ("4TB/s", Unit.FLOP_PER_S, "'TB/s' is not FLOP/s"),
        ("2TiFLOP/s", Unit.FLOP_PER_S, "'TiFLOP/s' is not FLOP/s"),
        ("512MB/s", Unit.BYTES, "'MB/s' is not B with a prefix"),
        ("2Ms", Unit.SECONDS, "'Ms' is not s with a prefix"),
        ("2 minutes", Unit.SECONDS, "'minutes' is not s"),
        ("700V", Unit.WATTS, "'V' is not W"),
        ("fast", Unit.WATTS, "does not begin with a number"),
        ("", Unit.WATTS, "does not begin with a number"),
        ("nan", Unit.WATTS, "does not begin with a number"),
        ("1e9999", Unit.WATTS, "not a finite number"),
        ("-4TB/s", Unit.BYTES_PER_S, "not above zero"),
        ("0B", Unit.BYTES, "not above zero"),
    ],
)
def test_text_in_another_unit_is_refused_with_what_is_wrong(
    text: str, unit: Unit, message: str
) -> None:
    with pytest.raises(QuantityError, match=message):
        read_quantity(text, unit)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400])
def test_a_number_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(QuantityError, match="not a finite number"):
        read_quantity(value, Unit.BYTES)


@pytest.mark.parametrize("value", [True, None, [], {}, b"4"])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(QuantityError, match="not a number"):
        read_quantity(value, Unit.BYTES)


@given(value=st.floats(min_value=5e-324, max_value=1.7e308), unit=st.sampled_from(Unit))
def test_a_plain_number_is_taken_as_it_is(value: float, unit: Unit) -> None:
    assert read_quantity(value, unit) == value
    assert read_quantity(repr(value), unit) == value


@given(data=st.data(), number=POSITIVE, unit=st.sampled_from(Unit))
def test_a_prefix_multiplies_and_spaces_do_not_matter(
    data: st.DataObject, number: Decimal, unit: Unit
) -> None:
    prefix = data.draw(st.sampled_from(sorted(PREFIXES[unit])))
    spelling = data.draw(st.sampled_from(["", *SPELLINGS[unit]]))
    space = data.draw(st.sampled_from(["", " ", "  "]))
    found = read_quantity(f"{space}{number}{space}{prefix}{spelling}{space}", unit)
    assert found == float(number * Decimal(PREFIXES[unit][prefix]))


@given(number=st.integers(1, 10**6), prefix=st.sampled_from(sorted(BINARY)))
def test_a_binary_prefix_is_more_than_the_decimal_one(number: int, prefix: str) -> None:
    binary = read_quantity(f"{number}{prefix}B", Unit.BYTES)
    assert binary > read_quantity(f"{number}{prefix[0]}B", Unit.BYTES)


@given(text=st.text(max_size=12), unit=st.sampled_from(Unit))
def test_any_text_gives_a_number_above_zero_or_none(text: str, unit: Unit) -> None:
    value = None
    with suppress(QuantityError):
        value = read_quantity(text, unit)
    assert value is None or 0 < value < math.inf
