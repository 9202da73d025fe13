"""Sizes as formulas of a point: how a dimension grows with tokens and requests."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from dsprof.harness.records import Point

# What a dimension may grow with, the one that is tried first being the usual one.
BASES = ("T", "B", "B*L", "L")
PADDINGS = (4, 8, 16, 32, 64, 128)
VARIES = "varies"

_PATTERN = re.compile(
    r"(?:pad\((?P<padded>[^,]+),(?P<multiple>\d+)\)"
    r"|(?P<factor>\d*)\*?(?P<basis>B\*L|[TBL])(?:/(?P<divisor>\d+))?"
    r"|(?P<constant>\d+))(?:(?P<sign>[+-])(?P<offset>\d+))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """``factor * basis + offset``, with the product padded to a whole multiple.

    T are the tokens of a point, B its requests, L the length of their KV cache. A
    constant has no basis. One that ``varies`` follows no such formula.
    """

    basis: str = ""
    factor: Fraction = Fraction(0)
    offset: int = 0
    multiple: int = 1
    varies: bool = False

    def __str__(self) -> str:
        if self.varies:
            return VARIES
        if not self.basis:
            return str(self.offset)
        numerator, denominator = self.factor.numerator, self.factor.denominator
        product = self.basis if numerator == 1 else f"{numerator}{self.basis}"
        product += f"/{denominator}" if denominator > 1 else ""
        if self.multiple > 1:
            product = f"pad({product}, {self.multiple})"
        if not self.offset:
            return product
        return f"{product} {'+' if self.offset > 0 else '-'} {abs(self.offset)}"

    def size(self, point: Point) -> int | None:
        """The size at a point, or None if no formula gives it."""
        if self.varies:
            return None
        if not self.basis:
            return self.offset
        product = -(-self.factor * basis_value(self.basis, point) // self.multiple)
        return int(product) * self.multiple + self.offset


def basis_value(basis: str, point: Point) -> int:
    kv_len = point.seq_len if point.kv_len is None else point.kv_len
    values = {
        "T": point.tokens,
        "B": point.batch_size,
        "B*L": point.batch_size * kv_len,
        "L": kv_len,
    }
    return values[basis]


def parse_dimension(text: str) -> Dimension:
    """Read "7168", "8T", "B + 1", "B*L/64" or "pad(T, 128)"; else ValueError."""
    squeezed = re.sub(r"\s", "", text)
    if squeezed == VARIES:
        return Dimension(varies=True)
    found = _PATTERN.fullmatch(squeezed)
    if found is None:
        raise ValueError(f"'{text.strip()}' is no size")
    offset = int(f"{found['sign'] or '+'}{found['offset'] or 0}")
    if found["constant"]:
        return Dimension(offset=int(found["constant"]) + offset)
    if found["padded"]:
        inner = parse_dimension(found["padded"])
        return Dimension(
            basis=inner.basis,
            factor=inner.factor,
            offset=offset,
            multiple=int(found["multiple"]),
        )
    factor = Fraction(int(found["factor"] or 1), int(found["divisor"] or 1))
    return Dimension(basis=found["basis"], factor=factor, offset=offset)


def fit(points: Sequence[Point], sizes: Sequence[int]) -> Dimension:
    """The simplest formula that gives these sizes at these points."""
    for candidate in _candidates(points, sizes):
        if all(
            candidate.size(point) == size
            for point, size in zip(points, sizes, strict=True)
        ):
            return candidate
    return Dimension(varies=True)


def _candidates(points: Sequence[Point], sizes: Sequence[int]) -> Iterator[Dimension]:
    yield Dimension(offset=sizes[0])
    for basis in BASES:
        values = [basis_value(basis, point) for point in points]
        low, high = values.index(min(values)), values.index(max(values))
        if values[low] == values[high]:
            continue
        rise = sizes[high] - sizes[low]
        factor = Fraction(rise, values[high] - values[low])
        if factor <= 0:
            continue
        line = Dimension(basis=basis, factor=factor)
        yield line
        offset = sizes[low] - factor * values[low]
        if offset.denominator == 1:
            yield Dimension(basis=basis, factor=factor, offset=int(offset))
        # Padding hides what is left of a multiple: whole factors of the largest size.
        whole = Fraction(sizes[high] // values[high])
        for multiple in PADDINGS:
            if whole:
                yield Dimension(basis=basis, factor=whole, multiple=multiple)
