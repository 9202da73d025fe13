"""report.html: both reports and their figures in one file that loads nothing else."""

import base64
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from dsprof.analysis.report.template import render

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

GENERATOR = "dsprof report"
CONTENTS_LEVELS = ("h1", "h2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """An entry of the table of contents."""

    level: int
    anchor: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """Everything that page.html.j2 prints; ``body`` is trusted HTML."""

    title: str
    generator: str
    style: str
    contents: Sequence[Heading]
    body: str


def render_page(
    title: str, documents: Sequence[str], figures: Mapping[str, bytes]
) -> str:
    """Join Markdown documents into one page.

    ``figures`` maps the paths that the documents link to PNG files; HTML in a
    document is shown as text, and an image that is not among the figures as its
    caption.
    """
    markdown = _markdown(figures)
    tokens = markdown.parse("\n\n".join(documents))
    contents = _anchor_headings(tokens)
    view = PageView(
        title=title,
        generator=GENERATOR,
        style=Path(__file__).with_name("page.css").read_text(encoding="utf-8"),
        contents=contents,
        body=markdown.renderer.render(tokens, markdown.options, {}),
    )
    return render("page.html.j2", view)


def _markdown(figures: Mapping[str, bytes]) -> "MarkdownIt":
    from html import escape

    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")

    def image(tokens: Sequence["Token"], index: int, *_: object) -> str:
        token = tokens[index]
        caption = escape(token.content)
        png = figures.get(str(token.attrs["src"]))
        if png is None:
            return caption
        data = base64.b64encode(png).decode("ascii")
        return f'<img alt="{caption}" src="data:image/png;base64,{data}">'

    rules: dict[str, Callable[..., str]] = {
        "image": image,
        "table_open": lambda *_: '<div class="table"><table>\n',
        "table_close": lambda *_: "</table></div>\n",
    }
    for name, rule in rules.items():
        markdown.add_render_rule(name, lambda _, *args, rule=rule: rule(*args))
    return markdown


def _anchor_headings(tokens: Sequence["Token"]) -> list[Heading]:
    """Give each heading an id of its own; return those for the contents."""
    seen: Counter[str] = Counter()
    contents = []
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        text = _plain_text(inline)
        slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "section"
        seen[slug] += 1
        anchor = slug if seen[slug] == 1 else f"{slug}-{seen[slug]}"
        opening.attrSet("id", anchor)
        if opening.tag in CONTENTS_LEVELS:
            contents.append(
                Heading(level=int(opening.tag[1]), anchor=anchor, text=text)
            )
    return contents


def _plain_text(inline: "Token") -> str:
    return "".join(child.content for child in inline.children or ())
