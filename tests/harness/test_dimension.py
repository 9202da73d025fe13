from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.dimension import (
    BASES,
    PADDINGS,
    Dimension,
    fit,
    parse_dimension,
)
from dsprof.harness.records import Phase, Point


def point(batch_size: int, seq_len: int = 1, kv_len: int | None = None) -> Point:
    phase = Phase.DECODE if seq_len == 1 else Phase.PREFILL
    return Point(
        kernel="k",
        op="o",
        phase=phase,
        batch_size=batch_size,
        seq_len=seq_len,
        kv_len=kv_len,
    )


POINTS = [point(1), point(4), point(128), point(1, 128), point(8, 2048)]
DECODE = [point(b, kv_len=kv) for b in (1, 4, 128) for kv in (1024, 4096)]

dimensions = st.one_of(
    st.builds(Dimension, offset=st.integers(0, 10**6)),
    st.just(Dimension(varies=True)),
    st.builds(
        Dimension,
        basis=st.sampled_from(BASES),
        factor=st.builds(Fraction, st.integers(1, 10**5), st.integers(1, 128)),
        offset=st.integers(-1000, 1000),
        multiple=st.sampled_from([1, *PADDINGS]),
    ),
)


@given(dimensions)
def test_a_dimension_reads_back_as_it_is_written(dimension: Dimension) -> None:
    assert parse_dimension(str(dimension)) == dimension


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("7168", 7168),
        ("T", 256),
        ("8 T", 2048),
        ("8*T", 2048),
        ("B+1", 3),
        ("T/4", 64),
        ("pad(8T, 1000) + 1", 3001),
        ("B*L", 256),
        ("varies", None),
    ],
)
def test_a_formula_gives_the_size_at_a_point(text: str, size: int | None) -> None:
    assert parse_dimension(text).size(point(2, 128)) == size


@pytest.mark.parametrize("text", ["", "n", "T*T", "7168.5", "8T8", "-T"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        parse_dimension(text)


@given(factor=st.integers(1, 10_000), offset=st.integers(0, 1000))
def test_a_straight_line_in_the_tokens_is_recognised(factor: int, offset: int) -> None:
    sizes = [factor * p.tokens + offset for p in POINTS]
    expected = Dimension(basis="T", factor=Fraction(factor), offset=offset)
    assert fit(POINTS, sizes) == expected


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("7168", POINTS),
        ("pad(T, 128)", POINTS),
        ("B + 1", POINTS),
        ("B*L/64", DECODE),
        ("L", DECODE),
    ],
)
def test_the_formula_that_gave_the_sizes_is_found(
    text: str, points: list[Point]
) -> None:
    dimension = parse_dimension(text)
    sizes = [dimension.size(p) or 0 for p in points]
    assert str(fit(points, sizes)) == text


def test_sizes_that_no_formula_gives_vary() -> None:
    assert fit(POINTS, [1, 5, 2, 7, 3]).varies
