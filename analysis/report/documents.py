"""The Markdown documents and their figures as one piece of HTML that loads nothing."""

import base64
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

CONTENTS_LEVELS = ("h1", "h2")
# A figure has few colours: with 256, as lossless WebP, the ten of a full profile take
# 0.6 MB instead of 3.1 MB. More effort in packing took twice the time for 4 %.
PALETTE_COLORS = 256
WEBP_METHOD, WEBP_EFFORT = 2, 50
LONG_WORD = 15  # letters; a heading with a longer one may break within it


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """An entry of the table of contents."""

    level: int
    anchor: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """``body`` is trusted HTML: what came from data is escaped in it."""

    contents: Sequence[Heading]
    body: str


def join_documents(
    documents: Sequence[str],
    figures: Mapping[str, bytes],
    *,
    taken: Iterable[str] = (),
) -> Documents:
    """Join Markdown documents; their headings get ids that are not ``taken``.

    ``figures`` maps the paths that the documents link to PNG files; HTML in a
    document is shown as text, and an image that is not among the figures as its
    caption.
    """
    # Pillow packs without the interpreter's lock, but takes 150 MB for a large figure.
    with ThreadPoolExecutor(max_workers=2) as pool:
        packed = dict(
            zip(figures, pool.map(picture_url, figures.values()), strict=True)
        )
    markdown = _markdown(packed)
    tokens = markdown.parse("\n\n".join(documents))
    contents = _anchor_headings(tokens, taken)
    return Documents(
        contents=contents,
        body=markdown.renderer.render(tokens, markdown.options, {}),
    )


def _markdown(figures: Mapping[str, str]) -> "MarkdownIt":
    from html import escape

    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    anchors: dict[str, str] = {}  # of the pictures that are in the page, by path

    def image(tokens: Sequence["Token"], index: int, *_: object) -> str:
        token = tokens[index]
        caption = escape(token.content)
        path = str(token.attrs["src"])
        if path not in figures:
            return caption
        if path in anchors:  # its bytes are in the page once
            return f'<a href="#{anchors[path]}">{caption}</a>'
        anchors[path] = f"picture-{len(anchors) + 1}"
        return f'<img id="{anchors[path]}" alt="{caption}" src="{figures[path]}">'

    def cell(tokens: Sequence["Token"], index: int, *_: object) -> str:
        """As short as HTML allows: a full profile has 25,000 cells."""
        token = tokens[index]
        number = "right" in str(token.attrs.get("style", ""))
        if token.tag == "td":
            return "<td class=n>" if number else "<td>"
        words = tokens[index + 1].content.split()
        long = max(map(len, words), default=0) > LONG_WORD
        kinds = " ".join(["n"] * number + ["long"] * long)
        return f'<th class="{kinds}" scope=col>' if kinds else "<th scope=col>"

    rules: dict[str, Callable[..., str]] = {
        "image": image,
        "table_open": lambda *_: '<div class="table"><table>\n',
        "table_close": lambda *_: "</table></div>\n",
        "th_open": cell,
        "td_open": cell,
        **dict.fromkeys(("th_close", "td_close", "tr_close"), lambda *_: "\n"),
    }
    for name, rule in rules.items():
        markdown.add_render_rule(name, lambda _, *args, rule=rule: rule(*args))
    return markdown


def picture_url(png: bytes) -> str:
    """A data URL of the picture in at most 256 colours."""
    from PIL import Image

    picture = Image.open(BytesIO(png)).convert("RGB")
    buffer = BytesIO()
    picture.quantize(
        PALETTE_COLORS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
    ).convert("RGB").save(
        buffer, "WEBP", lossless=True, method=WEBP_METHOD, quality=WEBP_EFFORT
    )
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _anchor_headings(tokens: Sequence["Token"], taken: Iterable[str]) -> list[Heading]:
    """Give each heading an id of its own; return those for the contents."""
    seen: Counter[str] = Counter(taken)
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
