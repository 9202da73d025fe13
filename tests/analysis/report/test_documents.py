import base64
from html.parser import HTMLParser
from io import BytesIO

import pytest
from PIL import Image

from dsprof.analysis.report.documents import join_documents, picture_url


def png(width: int = 40, height: int = 20) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (width, height), "#0072b2").save(buffer, "PNG")
    return buffer.getvalue()


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
    made = join_documents(["# One\n\n## Part\n", "# Two\n\n## Part\n"], {})
    anchors = [value for name, value in Elements(made.body).attributes if name == "id"]
    assert [one.anchor for one in made.contents] == anchors
    assert anchors == ["one", "part", "two", "part-2"]


def test_a_heading_does_not_take_an_id_that_the_page_has() -> None:
    made = join_documents(["# Roofline\n"], {}, taken=["roofline"])
    assert 'id="roofline-2"' in made.body


def test_figures_are_embedded_and_nothing_is_loaded() -> None:
    made = join_documents(["![A figure](figures/a.png)"], {"figures/a.png": png()})
    found = Elements(made.body)
    sources = [value for name, value in found.attributes if name == "src"]
    assert sources == [picture_url(png())]
    assert ("alt", "A figure") in found.attributes
    assert not {"script", "link", "iframe", "object"} & set(found.tags)
    assert "url(" not in made.body


def test_a_figure_that_comes_again_is_a_link_to_the_first() -> None:
    link = "![A figure](a.png)"
    body = join_documents([link, link], {"a.png": png()}).body
    assert body.count("src=") == 1
    assert '<img id="picture-1"' in body
    assert '<a href="#picture-1">A figure</a>' in body


def test_a_figure_in_the_page_is_the_same_picture() -> None:
    kind, _, data = picture_url(png(300, 200)).partition(",")
    picture = Image.open(BytesIO(base64.b64decode(data)))
    assert kind == "data:image/webp;base64"
    assert picture.size == (300, 200)
    color = picture.convert("RGB").getpixel((150, 100))
    assert color == pytest.approx((0x00, 0x72, 0xB2), abs=8)


def test_an_image_from_elsewhere_is_left_as_its_caption() -> None:
    made = join_documents(["![far](https://example.org/x.png)"], {"a.png": png()})
    found = Elements(made.body)
    assert "img" not in found.tags
    assert "far" in found.text


def test_markup_from_data_is_shown_and_not_run() -> None:
    made = join_documents(["# <script>x</script>\n\n<img src=x>\n"], {})
    found = Elements(made.body)
    assert not {"script", "img"} & set(found.tags)
    assert "<script>x</script>" in found.text


def test_number_columns_are_marked_and_headings_head_columns() -> None:
    made = join_documents(["| a | b |\n| --- | ---: |\n| x | 1 |\n"], {})
    assert "<td class=n>1" in made.body
    assert "<th scope=col>a" in made.body
    assert '<th class="n" scope=col>b' in made.body


def test_a_heading_with_a_long_name_may_break_within_it() -> None:
    made = join_documents(
        [f"| a | {'x_' * 20} (us) |\n| --- | ---: |\n| x | 1 |\n"], {}
    )
    assert "<th scope=col>a" in made.body
    assert '<th class="n long" scope=col>x_' in made.body
