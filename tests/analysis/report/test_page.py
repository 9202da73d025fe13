import base64
from html.parser import HTMLParser

from dsprof.analysis.report.page import render_page

FIGURES = {"figures/a.png": b"png bytes"}


class Elements(HTMLParser):
    """Collects the tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_contents_link_to_headings_of_their_own() -> None:
    page = render_page("T", ["# One\n\n## Part\n", "# Two\n\n## Part\n"], {})
    found = Elements(page).attributes
    links = [value for name, value in found if name == "href"]
    anchors = [f"#{value}" for name, value in found if name == "id"]
    assert links == anchors == ["#one", "#part", "#two", "#part-2"]


def test_figures_are_embedded_and_nothing_is_loaded() -> None:
    page = render_page("T", ["![A figure](figures/a.png)"], FIGURES)
    found = Elements(page)
    data = base64.b64encode(b"png bytes").decode()
    assert ("src", f"data:image/png;base64,{data}") in found.attributes
    assert ("alt", "A figure") in found.attributes
    assert not {"script", "link", "iframe", "object"} & set(found.tags)
    assert "url(" not in page
    assert "@import" not in page


def test_an_image_from_elsewhere_is_left_as_its_caption() -> None:
    found = Elements(render_page("T", ["![far](https://example.org/x.png)"], FIGURES))
    assert "img" not in found.tags
    assert "far" in found.text


def test_markup_from_data_is_shown_and_not_run() -> None:
    page = render_page("<b>T</b>", ["# <script>x</script>\n\n<img src=x>\n"], {})
    found = Elements(page)
    assert "script" not in found.tags
    assert "img" not in found.tags
    assert "b" not in found.tags
    assert "<script>x</script>" in found.text


def test_number_columns_are_aligned_right() -> None:
    page = render_page("T", ["| a | b |\n| --- | ---: |\n| x | 1 |\n"], {})
    assert '<td style="text-align:right">1</td>' in page
