from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.ncu_ranges import ranges_of

NAMES = st.text(st.characters(codec="ascii", exclude_characters='"\r\n'), min_size=1)
DOMAINS = st.from_regex(r"[A-Za-z<> ]+", fullmatch=True)


def printed(domain: str, name: str) -> str:
    return f'"{domain}:{name}:none:none:RGB:0xff00ff00:ASCII:{name}"'


def test_push_pop_ranges_come_outermost_first_behind_their_thread() -> None:
    cell = f"668  {printed('dsprof', 'capture')}  {printed('dsprof', 'bmm/op')} "
    assert ranges_of(cell) == ("dsprof:capture", "dsprof:bmm/op")


def test_start_end_ranges_have_a_number_before_the_domain() -> None:
    cell = "7:dsprof:rmsnorm/decode/B=1,S=1:none:none:none:none:ASCII:"
    cell += "rmsnorm/decode/B=1,S=1"
    assert ranges_of(cell, numbered=True) == ("dsprof:rmsnorm/decode/B=1,S=1",)


def test_no_cell_is_no_range() -> None:
    assert ranges_of("") == ()
    assert ranges_of("  ") == ()


def test_a_message_other_than_the_name_is_counted_off_from_the_end() -> None:
    assert ranges_of('"d:my:name:none:none:RGB:0xff:ASCII:x"') == ("d:my:name",)


@given(st.lists(st.tuples(DOMAINS, NAMES), min_size=1))
def test_names_with_colons_and_spaces_read_back(ranges: list[tuple[str, str]]) -> None:
    cell = "1  " + "  ".join(printed(domain, name) for domain, name in ranges)
    assert ranges_of(cell) == tuple(f"{domain}:{name}" for domain, name in ranges)
