import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dsprof.analysis.whatif.pareto import pareto_front

# Few different values, so that ties are met.
MEASURES = arrays.arrays(
    np.float64,
    st.tuples(st.just(2), st.integers(0, 40)),
    elements=st.one_of(
        st.integers(0, 8).map(float), st.floats(0, 1e6), st.just(np.inf)
    ),
)


@given(both=MEASURES)
def test_no_point_of_the_front_is_dominated_and_every_other_one_is(
    both: "np.ndarray[tuple[int, int], np.dtype[np.float64]]",
) -> None:
    x, y = both
    front = pareto_front(x, y)
    kept = set(front.tolist())
    for at in np.flatnonzero(np.isfinite(x) & np.isfinite(y)):
        no_worse = (x <= x[at]) & (y <= y[at])
        better = no_worse & ((x < x[at]) | (y < y[at]))
        if at in kept:
            assert not better.any()
        else:
            assert any(no_worse[other] for other in kept)
    assert np.isfinite(x[front]).all()


@given(both=MEASURES)
def test_the_front_rises_in_one_measure_and_falls_in_the_other(
    both: "np.ndarray[tuple[int, int], np.dtype[np.float64]]",
) -> None:
    front = pareto_front(*both)
    assert (np.diff(both[0][front]) > 0).all()
    assert (np.diff(both[1][front]) < 0).all()


def test_of_equal_points_the_first_stands_for_all() -> None:
    assert pareto_front([2.0, 1.0, 1.0], [1.0, 3.0, 3.0]).tolist() == [1, 0]


def test_points_of_a_grid_have_flat_indices() -> None:
    first = np.array([[1.0, 9.0], [2.0, 9.0]])
    second = np.array([[5.0, 9.0], [4.0, 9.0]])
    assert pareto_front(first, second).tolist() == [0, 2]
