from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from dsprof.analysis.report.markdown import Code, Table, block, code, names, table, text

# Names from data: everything that Markdown gives a meaning, and line ends.
AWKWARD = st.text(alphabet="ab_*`|\\<>&[]()~!#$ \n\"'{}", min_size=1)


def parse(markdown: str) -> list[Token]:
    return MarkdownIt("commonmark", {"html": False}).enable("table").parse(markdown)


def cells(markdown: str) -> list[str]:
    """The text of each table cell as a reader sees it."""
    tokens = parse(markdown)
    return [
        "".join(child.content for child in tokens[index + 1].children or ())
        for index, token in enumerate(tokens)
        if token.type == "td_open"
    ]


def normal(value: str) -> str:
    return " ".join(value.split())


@given(AWKWARD, AWKWARD)
def test_a_table_shows_each_cell_as_it_was_given(plain: str, name: str) -> None:
    data = Table(headings=("A", ">B", "C"), rows=[(plain, Code(name), "end")])
    shown = cells(table(data))
    assert shown[0] == normal(plain)
    assert shown[1].strip() == normal(name)
    assert shown[2:] == ["end"]


@given(AWKWARD)
def test_text_and_code_are_shown_as_they_were_given(value: str) -> None:
    tokens = parse(f"x {text(value)} {code(value)} y")
    assert [token.type for token in tokens] == [
        *("paragraph_open", "inline", "paragraph_close")
    ]
    shown = "".join(child.content for child in tokens[1].children or ())
    assert normal(shown) == normal(f"x {value} {value} y")


@given(AWKWARD)
def test_a_block_ends_where_its_text_ends(value: str) -> None:
    fence = parse(block(value) + "\n\nafter")
    assert fence[0].content == value + "\n"
    assert fence[2].content == "after"


def test_a_right_aligned_heading_is_marked_in_the_rule() -> None:
    data = Table(headings=("Kernel", ">Time (us)"), rows=[("a", "1")])
    assert table(data).splitlines()[:2] == ["| Kernel | Time (us) |", "| --- | ---: |"]


def test_underscores_within_names_stay_readable() -> None:
    assert text("out_of_limit") == "out_of_limit"


def test_names_are_separate_code_spans() -> None:
    assert names(["a", "b"]) == "`a`, `b`"
