"""Numbers of a drawn line."""

import numpy as np


def values(data: object) -> list[float]:
    """All of a line's coordinates."""
    return [float(value) for value in np.asarray(data, dtype=np.float64)]


def first(data: object) -> float:
    """The first of a line's coordinates."""
    return float(np.asarray(data, dtype=np.float64)[0])
