"""The designs that no other one beats in both of two measures."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


def pareto_front(first: "ArrayLike", second: "ArrayLike") -> "NDArray[np.intp]":
    """Flat indices of the front, by rising ``first`` and falling ``second``.

    Of both measures less is better. A point is dominated by one that is no worse in
    both and better in one; of equal points the first stands for all. Points that are
    not finite are in no front.
    """
    import numpy as np

    x = np.asarray(first, dtype=np.float64).ravel()
    y = np.asarray(second, dtype=np.float64).ravel()
    finite = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if not finite.size:
        return finite
    by_first: NDArray[np.intp] = np.lexsort((y[finite], x[finite]))
    order = finite[by_first]
    # Lowest second measure of all points before; the first point has none before it.
    lowest = np.minimum.accumulate(y[order])
    is_better = np.concatenate([[True], y[order][1:] < lowest[:-1]])
    front: NDArray[np.intp] = order[is_better]
    return front
