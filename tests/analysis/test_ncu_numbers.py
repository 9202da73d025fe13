import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.ncu_numbers import (
    Cell,
    MixedStylesError,
    Style,
    decide_style,
    to_base,
)

LOCALES = [(".", ","), (",", "."), (".", ""), (",", "\u202f"), (".", "'")]


def cell(text: str, metric: str = "some__ratio.avg", unit: str = "warp") -> Cell:
    return Cell(metric=metric, unit=unit, text=text)


@pytest.mark.parametrize(
    ("text", "decimal"),
    [
        ("1,234.5", "."),
        ("1.234,5", ","),
        ("36.86", "."),
        ("36,86", ","),
        ("0.125", "."),
        ("8448.125", "."),
        ("1.234.567", ","),
        ("1,234,567", "."),
    ],
)
def test_some_numbers_show_a_files_locale_alone(text: str, decimal: str) -> None:
    assert decide_style([cell(text)]) == Style(decimal=decimal)


def test_a_count_has_no_fraction_so_its_separator_is_one_of_thousands() -> None:
    counts = [cell("84.480", "smsp__inst_executed.sum", "inst")]
    assert decide_style(counts).parse("84.480") == 84480


def test_a_percentage_is_not_in_the_thousands() -> None:
    assert decide_style([cell("84.480", unit="%")]).parse("84.480") == 84.48


def test_where_nothing_decides_three_digits_are_a_group_and_the_style_says_so() -> None:
    style = decide_style([cell("84.480")])
    assert style.guessed == "84.480"
    assert style.parse("84.480") == 84480


def test_one_file_of_two_locales_is_refused() -> None:
    with pytest.raises(MixedStylesError):
        decide_style([cell("36.86"), cell("36,86")])


@pytest.mark.parametrize("text", ["", "n/a", "nan", "inf", "1_0", "1,23,4", "abc", "."])
def test_what_is_no_number_has_no_value(text: str) -> None:
    assert Style(decimal=".").parse(text) is None
    assert decide_style([cell(text)]) == Style()


@given(st.floats(-1e15, 1e15), st.integers(-(10**15), 10**15), st.sampled_from(LOCALES))
def test_a_number_reads_back_in_every_locale(
    value: float, whole: int, separators: tuple[str, str]
) -> None:
    decimal, group = separators
    style = Style(decimal=decimal)

    def printed(text: str) -> str:
        return text.replace(",", "\0").replace(".", decimal).replace("\0", group)

    assert style.parse(printed(f"{value:,.2f}")) == float(f"{value:.2f}")
    assert style.parse(printed(f"{whole:,}")) == whole


@pytest.mark.parametrize(
    ("unit", "factor", "base"),
    [
        ("us", 1e3, "ns"),
        ("usecond", 1e3, "ns"),
        ("nsecond", 1.0, "ns"),
        ("msecond", 1e6, "ns"),
        ("second", 1e9, "ns"),
        ("Gbyte/s", 1e9, "byte/s"),
        ("Tbyte/second", 1e12, "byte/s"),
        ("byte/second", 1.0, "byte/s"),
        ("byte/nsecond", 1e9, "byte/s"),
        ("Kbyte/block", 1e3, "byte/block"),
        ("cycle/nsecond", 1e9, "hz"),
        ("cycle/second", 1.0, "hz"),
        ("Ghz", 1e9, "hz"),
        ("Mbyte", 1e6, "byte"),
        ("%", 1.0, "%"),
        ("inst/cycle", 1.0, "inst/cycle"),
        ("register/thread", 1.0, "register/thread"),
        ("", 1.0, ""),
    ],
)
def test_units_of_every_version_end_in_base_units(
    unit: str, factor: float, base: str
) -> None:
    assert to_base(unit) == (factor, base)
