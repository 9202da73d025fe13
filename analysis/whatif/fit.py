"""The what-if model of a profile: every kernel's fit, and how far each is off."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from dsprof.analysis.whatif.kernel_fit import KernelFit, fit_kernel
from dsprof.analysis.whatif.left_out import (
    LeftOutPoint,
    errors,
    extrapolated,
    left_out,
    ratio_quantiles,
)
from dsprof.analysis.whatif.target import Target, source_target
from dsprof.analysis.whatif.work import ProfileKey, Sweep, sweeps
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache

__all__ = ["COVERED", "Fits", "KernelFit", "fit_kernels"]

COVERED = 0.8  # of left-out points lie in the interval of their kernel
# Where nothing can be left out at all, a time is only known to its order.
_UNKNOWN_PCT = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fits:
    """The fits of all kernels of a profile in one cache state.

    ``left_out`` has each point as predicted without its token count, ``extrapolated``
    those of 4096 tokens and more as predicted from 1024 and fewer.
    """

    cache: Cache
    source: Target
    kernels: Mapping[str, KernelFit]
    reasons: Mapping[str, str]  # kernels without a fit, and why
    left_out: Mapping[str, tuple[LeftOutPoint, ...]]
    extrapolated: Mapping[str, tuple[LeftOutPoint, ...]]


def fit_kernels(profile: Profile, cache: Cache) -> Fits:
    """Fit every kernel that has a timed point in this cache state.

    Several pages of a report need the same fits of the same profile: the last few are
    kept, as each takes seconds.
    """
    return _fitted(ProfileKey(profile), cache)


@lru_cache(maxsize=2 * len(Cache))
def _fitted(key: ProfileKey, cache: Cache) -> Fits:
    profile = key.profile
    source = source_target(profile)
    found = sweeps(profile, cache)
    apart = {name: tuple(left_out(sweep, source)) for name, sweep in found.items()}
    others = errors(point for points in apart.values() for point in points)
    names = dict.fromkeys(row.point.kernel for row in profile.measurements)
    return Fits(
        cache=cache,
        source=source,
        kernels={
            name: _with_errors(_fit(sweep, source), apart[name], others.p90_pct)
            for name, sweep in found.items()
        },
        reasons={
            name: f"no point has a {cache} time" for name in names if name not in found
        },
        left_out=apart,
        extrapolated={
            name: tuple(extrapolated(sweep, source)) for name, sweep in found.items()
        },
    )


def _fit(sweep: Sweep, source: Target) -> KernelFit:
    return fit_kernel(sweep.kernel, sweep.works()[0], source)


def _with_errors(
    fit: KernelFit, points: tuple[LeftOutPoint, ...], others_pct: float
) -> KernelFit:
    """The fit with its left-out error; without one, that of the worse other kernels."""
    if not points:
        known = others_pct == others_pct  # noqa: PLR0124 -- not NaN
        error_pct = others_pct if known else _UNKNOWN_PCT
        off = 1 + error_pct / 100
        return replace(fit, error_pct=error_pct, spread=(1 / off, off))
    return replace(
        fit,
        error_pct=errors(points).median_pct,
        spread=ratio_quantiles(points, COVERED),
    )
