"""Fits one kernel's terms to its own sweep.

    t = max(s_tensor X_tensor, s_vector X_vector, s_hbm X_hbm, s_on_chip X_on_chip,
            c rows) + launches f

X is the work over the rated resource, in seconds; s is the slowdown against it, at
least 1. Robust least squares on the logarithms of times; a weak pull towards what
well-written kernels reach keeps terms apart that a sweep cannot tell apart.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.whatif.target import Target
from dsprof.analysis.whatif.terms import Term
from dsprof.analysis.whatif.work import Work
from dsprof.harness.device import Datapath

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

RESOURCES = (Term.TENSOR, Term.VECTOR, Term.HBM, Term.ON_CHIP)
_FEWEST_TOKEN_COUNTS = 3  # a slope, a fixed part, and one to hold them against
_ROW_S = 1e-9  # unit of the row column; a row of a few KB takes about that


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """Bounds, centre and pull of one parameter; all but the pull as slowdowns.

    The centres are what the ceilings and kernels of an H200 reach: copies 1.18, dense
    GEMM 1.24 (bf16) and 1.31 (fp8), L2 with writes 1.7. HBM is pulled most: nearly all
    kernels that it limits come close to it.
    """

    least: float
    most: float
    centre: float
    pull: float  # weight of ln(slowdown / centre) beside one point's ln(error)


_COLUMNS = {
    Term.TENSOR: _Column(least=1.0, most=8.0, centre=1.3, pull=0.05),
    Term.VECTOR: _Column(least=1.0, most=50.0, centre=1.3, pull=0.05),
    Term.HBM: _Column(least=1.0, most=3.0, centre=1.12, pull=0.15),
    Term.ON_CHIP: _Column(least=1.0, most=8.0, centre=1.7, pull=0.1),
}
_ROWS = _Column(least=0.01, most=1e5, centre=1.0, pull=0.005)
_OUTLIER_LOG = 0.1  # errors above 10 % count linearly, not squared
_MOST_STEPS = 30
_TOLERANCE = 1e-3  # 0.1 %: less than a time repeats itself to


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFit:
    """What a kernel reaches of each resource, and its fixed part a launch.

    ``slowdown`` is the fitted over the rated time of a term: 1 over its efficiency.
    Terms that the sweep never reaches stand at 1, and in ``not_identified``.
    ``spread`` holds measured over predicted times of token counts that were left out.
    """

    kernel: str
    points: int
    slowdown: Mapping[Term, float]
    row_s: float  # a row of a kernel without tensor work; 0: its FLOP and bytes do
    fixed_s: float  # a launch
    not_identified: tuple[Term, ...]
    error_pct: float = math.nan  # median, on token counts left out of the fit
    spread: tuple[float, float] = (1.0, 1.0)  # quantiles of measured over predicted
    reason: str = ""  # why no term could be fitted, where none could

    def term_s(self, work: Work, source: Target) -> dict[Term, float]:
        """Fitted seconds of each term of a call."""
        terms = {
            term: self.slowdown[term] * seconds
            for term, seconds in rated_s(work, source).items()
        }
        terms[Term.VECTOR] = max(terms[Term.VECTOR], self.row_s * work.rows)
        return terms | {Term.FIXED: self.fixed_s * work.launches}

    def time_s(self, work: Work, source: Target) -> float:
        terms = self.term_s(work, source)
        fixed = terms.pop(Term.FIXED)
        return max(terms.values()) + fixed


def rated_s(work: Work, source: Target) -> dict[Term, float]:
    """Seconds that the rated resource takes for a call's work."""
    tensor = [
        flops / source.flops_per_s[path] for path, flops in work.tensor_flops.items()
    ]
    fp32 = source.flops_per_s.get(Datapath.FP32, math.inf)
    return {
        Term.TENSOR: max(tensor, default=0.0),
        Term.VECTOR: work.vector_flops / fp32,
        Term.HBM: work.hbm_bytes / source.hbm_bytes_per_s,
        Term.ON_CHIP: work.on_chip_bytes / source.on_chip_bytes_per_s,
    }


def fit_kernel(kernel: str, works: Sequence[Work], source: Target) -> KernelFit:
    """Fit a kernel to these works; at least one."""
    rated = [rated_s(work, source) for work in works]
    worked = [term for term in RESOURCES if any(terms[term] for terms in rated)]
    counts = len({work.tokens for work in works})
    if counts < _FEWEST_TOKEN_COUNTS:
        reason = f"timed at {counts} of the {_FEWEST_TOKEN_COUNTS} token counts needed"
        return _unfitted(kernel, works, rated, reason)
    if not worked:
        return _unfitted(kernel, works, rated, "neither FLOP nor bytes are stated")
    import numpy as np

    problem = _Problem(
        x=np.array([[terms[term] for term in worked] for terms in rated]),
        columns=[_COLUMNS[term] for term in worked],
        launches=np.array([work.launches for work in works], dtype=np.float64),
        time_s=np.array([work.time_s for work in works]),
    )
    best, row_s = problem.solved(), 0.0
    rows = np.array([_ROW_S * work.rows for work in works])
    if rows.any():
        with_rows = problem.beside(rows, _ROWS).solved()
        # Schwarz: one parameter more must pay for itself.
        if with_rows.score + math.log(len(works)) < best.score:
            best = with_rows
            row_s = _ROW_S * best.slowdown[-1] if len(worked) in best.reached else 0.0
    reached = {term for at, term in enumerate(worked) if at in best.reached}
    slowdown = dict(zip(worked, best.slowdown, strict=False))
    by_rows = {Term.VECTOR} if row_s else set()
    return KernelFit(
        kernel=kernel,
        points=len(works),
        slowdown={
            term: slowdown[term] if term in reached else 1.0 for term in RESOURCES
        },
        row_s=row_s,
        fixed_s=best.fixed_s,
        not_identified=tuple(term for term in worked if term not in reached | by_rows),
    )


def _unfitted(
    kernel: str,
    works: Sequence[Work],
    rated: Sequence[Mapping[Term, float]],
    reason: str,
) -> KernelFit:
    """All terms at their rated values; the fixed part is what they do not explain."""
    left = [
        max(work.time_s - max(terms.values()), 0.0) / work.launches
        for work, terms in zip(works, rated, strict=True)
    ]
    return KernelFit(
        kernel=kernel,
        points=len(works),
        slowdown=dict.fromkeys(RESOURCES, 1.0),
        row_s=0.0,
        fixed_s=statistics.median(left),
        not_identified=tuple(
            term for term in RESOURCES if any(terms[term] for terms in rated)
        ),
        reason=reason,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Solution:
    slowdown: list[float]
    fixed_s: float
    reached: frozenset[int]  # columns that are the longest term of a point
    score: float  # smaller is better; ln of the likelihood times -2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    """The least squares of one kernel; ``x`` has a column for each slowdown."""

    x: "Array"
    columns: list[_Column]
    launches: "Array"
    time_s: "Array"

    def beside(self, column: "Array", about: _Column) -> "_Problem":
        """The same with one column more."""
        import numpy as np

        return _Problem(
            x=np.column_stack([self.x, column]),
            columns=[*self.columns, about],
            launches=self.launches,
            time_s=self.time_s,
        )

    def solved(self) -> _Solution:
        """The better of the descents from the two starts that look best."""
        import numpy as np
        from scipy.optimize import least_squares

        low, high = self._bounds()
        found = [
            least_squares(
                self._residuals,
                np.clip(start, low + _TOLERANCE, high - _TOLERANCE),
                self._jacobian,
                bounds=(low, high),
                loss="soft_l1",
                f_scale=_OUTLIER_LOG,
                max_nfev=_MOST_STEPS,
                ftol=_TOLERANCE,
                xtol=_TOLERANCE,
                gtol=_TOLERANCE,
            )
            for start in self._starts()
        ]
        best = min(found, key=lambda one: float(one.cost))
        slowest = (self.x * np.exp(best.x[:-1])).argmax(axis=1)
        used = self.x[np.arange(len(slowest)), slowest] > 0
        points = len(self.time_s)
        return _Solution(
            slowdown=[float(value) for value in np.exp(best.x[:-1])],
            fixed_s=float(np.exp(best.x[-1])),
            reached=frozenset(int(at) for at in slowest[used]),
            score=points * math.log(max(float(best.cost), 1e-12)),
        )

    def _bounds(self) -> tuple["Array", "Array"]:
        import numpy as np

        low = np.log([*(one.least for one in self.columns), 1e-9])
        high = np.log([*(one.most for one in self.columns), 1.0])
        return low, high

    def _starts(self) -> list["Array"]:
        """For each column, a start where it explains the largest points; the best two.

        A term that is nowhere the longest has no slope, so that it must begin high.
        """
        import numpy as np

        centre = np.log([one.centre for one in self.columns])
        least_s = float((self.time_s / self.launches).min())
        fixed_s = 0.8 * least_s  # of the shortest call, most is fixed
        low, high = self._bounds()
        starts = []
        for at in np.flatnonzero(self.x.any(axis=0)):
            column = self.x[:, at]
            large = column >= np.quantile(column, 0.7)
            large &= column > 0
            rest_s = np.maximum(self.time_s - fixed_s * self.launches, 0.1 * least_s)
            start = np.append(centre, math.log(fixed_s))
            start[at] = math.log(float(np.median(rest_s[large] / column[large])))
            starts.append(np.clip(start, low, high))
        costs = [float(np.abs(self._residuals(start)).sum()) for start in starts]
        order = np.argsort(costs, kind="stable")[:2]
        return [starts[at] for at in order]

    def _parts(self, logs: "Array") -> tuple["Array", "Array", "Array"]:
        """Seconds of the slowest term and of the fixed part, and which term it is."""
        import numpy as np

        terms = self.x * np.exp(logs[:-1])
        which = terms.argmax(axis=1)
        slowest = terms[np.arange(len(which)), which]
        return slowest, self.launches * np.exp(logs[-1]), which

    def _residuals(self, logs: "Array") -> "Array":
        import numpy as np

        slowest, fixed, _ = self._parts(logs)
        centre = np.log([one.centre for one in self.columns])
        pull = np.array([one.pull for one in self.columns])
        errors = np.log((slowest + fixed) / self.time_s)
        return np.concatenate([errors, pull * (logs[:-1] - centre)])

    def _jacobian(self, logs: "Array") -> "Array":
        import numpy as np

        slowest, fixed, which = self._parts(logs)
        points, columns = self.x.shape
        slopes = np.zeros((points + columns, columns + 1))
        slopes[np.arange(points), which] = slowest / (slowest + fixed)
        slopes[:points, -1] = fixed / (slowest + fixed)
        pulls = np.arange(columns)
        slopes[points + pulls, pulls] = [one.pull for one in self.columns]
        return slopes
