"""Numbers of a drawn line."""

import numpy as np


def first(data: object) -> float:
    """The first of a line's coordinates."""
    return float(np.asarray(data, dtype=np.float64)[0])
