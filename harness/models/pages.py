"""Page images that look like scanned text: the same pixels on every machine."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Width and height in pixels: A4, a slide, US letter, a spread, a tall column of a
# newspaper. Crop mode cuts them into different numbers of tiles.
SHAPES = ((1240, 1754), (1920, 1080), (1275, 1650), (2200, 1550), (900, 1800))
GLYPH = (7, 5)  # rows and columns of dots
ALPHABET = 40
SCALES = (2, 5)  # pixels of a dot: text, headings
PAPER, INK = 245, 25
MARGIN = 0.08  # of the page's width
WORDS = (2, 11)  # glyphs of a word: at least, and less than


def make_pages(count: int, seed: int = 0) -> list["NDArray[np.uint8]"]:
    """Pages of (height, width, 3) with columns of words, headings and ruled tables."""
    import numpy as np

    return [_page(np.random.default_rng((seed, page)), page) for page in range(count)]


def _page(dice: "np.random.Generator", number: int) -> "NDArray[np.uint8]":
    import numpy as np

    width, height = SHAPES[number % len(SHAPES)]
    page = np.full((height, width), PAPER, dtype=np.uint8)
    dots = dice.integers(0, 2, (ALPHABET, *GLYPH), dtype=np.uint8)
    glyphs = {scale: np.kron(dots, np.ones((1, scale, scale))) == 1 for scale in SCALES}
    columns = 1 + number % 2
    margin = int(MARGIN * width)
    column_width = (width - margin * (columns + 1)) // columns
    for column in range(columns):
        left = margin + column * (column_width + margin)
        top = margin
        while top < height - margin:
            scale = SCALES[dice.random() < 1 / 15]  # a heading now and then
            if dice.random() < 1 / 40:
                top = _table(page, dice, left, top, column_width, height - margin)
                continue
            _line(page, dice, glyphs[scale], (left, top, column_width, scale))
            top += GLYPH[0] * scale * 2
    return np.repeat(page[:, :, np.newaxis], 3, axis=2)


def _line(
    page: "NDArray[np.uint8]",
    dice: "np.random.Generator",
    glyphs: "NDArray[np.bool_]",
    place: tuple[int, int, int, int],
) -> None:
    """Set words from the left until the next one would not fit."""
    left, top, width, scale = place
    pitch = (GLYPH[1] + 1) * scale
    rows = GLYPH[0] * scale
    if top + rows > page.shape[0]:
        return
    for start, letters in _words(dice, width // pitch):
        for index, letter in enumerate(letters):
            x = left + (start + index) * pitch
            page[top : top + rows, x : x + GLYPH[1] * scale][glyphs[letter]] = INK


def _words(
    dice: "np.random.Generator", room: int
) -> Iterator[tuple[int, "NDArray[np.int64]"]]:
    """Yield each word's place and letters, counted in glyphs."""
    start = 0
    while True:
        length = int(dice.integers(*WORDS))
        if start + length > room:
            return
        yield start, dice.integers(0, ALPHABET, length)
        start += length + 1


def _table(  # noqa: PLR0913, PLR0917 -- a place on a page
    page: "NDArray[np.uint8]",
    dice: "np.random.Generator",
    left: int,
    top: int,
    width: int,
    bottom: int,
) -> int:
    """Rule a grid and return where the next line goes."""
    rows, row_height = int(dice.integers(3, 8)), 40
    end = min(top + rows * row_height, bottom)
    for y in range(top, end, row_height):
        page[y : y + 2, left : left + width] = INK
    for x in range(left, left + width, max(1, width // 4)):
        page[top:end, x : x + 2] = INK
    return end + row_height
