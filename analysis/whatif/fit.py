"""The what-if model of each kernel, fitted on its own sweep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.whatif.target import Target, source_target
from dsprof.analysis.whatif.terms import Term
from dsprof.analysis.whatif.work import Work, timed_works
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHARED = (Term.TENSOR, Term.VECTOR, Term.HBM, Term.ON_CHIP)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFit:
    """What a kernel reaches of each resource, and its fixed part a launch.

    ``slowdown`` is the fitted over the rated time of a term: 1 over its efficiency.
    Terms that no point of the sweep reaches stand in ``not_identified`` at 1.
    """

    kernel: str
    points: int
    slowdown: Mapping[Term, float]
    fixed_s: float  # a launch
    not_identified: tuple[Term, ...]
    error_pct: float  # median, on token counts left out of the fit

    def term_s(self, work: Work, source: Target) -> dict[Term, float]:
        """Fitted seconds of each term of a call."""
        rated = rated_s(work, source)
        terms = {term: self.slowdown[term] * seconds for term, seconds in rated.items()}
        return terms | {Term.FIXED: self.fixed_s * work.launches}

    def time_s(self, work: Work, source: Target) -> float:
        terms = self.term_s(work, source)
        fixed = terms.pop(Term.FIXED)
        return max(terms.values()) + fixed


@dataclass(frozen=True, slots=True, kw_only=True)
class Fits:
    """The fits of all kernels of a profile in one cache state."""

    cache: Cache
    source: Target
    kernels: Mapping[str, KernelFit]
    reasons: Mapping[str, str]  # kernels without a fit, and why


def rated_s(work: Work, source: Target) -> dict[Term, float]:
    return {
        Term.TENSOR: work.rated_tensor_s(source),
        Term.VECTOR: work.rated_vector_s(source),
        Term.HBM: work.rated_hbm_s(source),
        Term.ON_CHIP: work.rated_on_chip_s(source),
    }


def fit_kernels(profile: Profile, cache: Cache) -> Fits:
    """Fit every kernel that has a timed point in this cache state."""
    source = source_target(profile)
    by_kernel: dict[str, list[Work]] = {}
    for work in timed_works(profile, cache):
        by_kernel.setdefault(work.row.point.kernel, []).append(work)
    names = dict.fromkeys(row.point.kernel for row in profile.measurements)
    return Fits(
        cache=cache,
        source=source,
        kernels={name: _fit(name, works, source) for name, works in by_kernel.items()},
        reasons={
            name: f"no point has a {cache} time"
            for name in names
            if name not in by_kernel
        },
    )


def _fit(name: str, works: Sequence[Work], source: Target) -> KernelFit:
    import numpy as np
    from scipy.optimize import least_squares

    rated = np.array([list(rated_s(work, source).values()) for work in works])
    launches = np.array([work.launches for work in works])
    time_s = np.array([work.time_s for work in works])

    def log_ratio(parameters: "NDArray[np.float64]") -> "NDArray[np.float64]":
        slowest = (rated * np.exp(parameters[:-1])).max(axis=1)
        fixed = launches * np.exp(parameters[-1])
        return np.asarray(np.log((slowest + fixed) / time_s), dtype=np.float64)

    start = np.zeros(rated.shape[1] + 1)
    start[-1] = np.log(0.8 * (time_s / launches).min())
    best = least_squares(
        log_ratio,
        start,
        bounds=([0] * rated.shape[1] + [-20], [7] * rated.shape[1] + [0]),
        loss="soft_l1",
        f_scale=0.1,
    )
    slowdown = np.exp(best.x[:-1])
    reached = set((rated * slowdown).argmax(axis=1))
    residuals = np.abs(np.expm1(best.fun))
    return KernelFit(
        kernel=name,
        points=len(works),
        slowdown={
            term: float(slowdown[at]) if at in reached else 1.0
            for at, term in enumerate(_SHARED)
        },
        fixed_s=float(np.exp(best.x[-1])),
        not_identified=tuple(
            term
            for at, term in enumerate(_SHARED)
            if at not in reached and rated[:, at].any()
        ),
        error_pct=100 * float(np.median(residuals)),
    )
