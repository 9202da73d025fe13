"""The fit of whole profiles; that of the bundled one is held to its accuracy."""

from pathlib import Path

import pytest

import dsprof
from dsprof.analysis.whatif.fit import Fits, fit_kernels
from dsprof.analysis.whatif.left_out import LONG_S, errors
from dsprof.analysis.whatif.terms import Term
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache, Status
from dsprof.harness.store import load_profile
from tests.conftest import Factory

BUNDLED = Path(dsprof.__file__).parent / "profiles/h200-sxm/2026-11-21-counters"


@pytest.fixture(scope="module")
def bundled() -> Profile:
    return load_profile(BUNDLED)


@pytest.fixture(scope="module")
def fits(bundled: Profile) -> Fits:
    return fit_kernels(bundled, Cache.COLD)


def test_left_out_points_of_the_h200_are_within_15_percent(fits: Fits) -> None:
    points = [point for own in fits.left_out.values() for point in own]

    assert len(points) == 1770
    assert errors(points).median_pct <= 6
    assert errors(points, least_s=LONG_S).median_pct <= 6
    for kernel, own in fits.left_out.items():
        assert errors(own).median_pct <= 15, kernel


def test_long_points_of_no_kernel_of_the_h200_are_far_off(fits: Fits) -> None:
    for kernel, own in fits.left_out.items():
        long = errors(own, least_s=LONG_S)
        assert not long.points or long.median_pct <= 12, kernel


def test_prefill_of_the_h200_follows_from_1024_tokens_and_fewer(fits: Fits) -> None:
    points = [point for own in fits.extrapolated.values() for point in own]

    assert {point.point.tokens for point in points} == {4096, 8192, 16384}
    assert errors(points).median_pct <= 10


def test_kernels_that_the_h200_cannot_run_have_a_reason(fits: Fits) -> None:
    assert fits.reasons["cutlass_mla_decode"] == "no point has a cold time"
    assert not fits.reasons.keys() & fits.kernels.keys()


def test_limits_of_known_kernels_of_the_h200_are_found(fits: Fits) -> None:
    """Physics that other evidence shows, not the fit's own numbers."""
    # Its grid has 56 blocks for 132 multiprocessors, and 1.3 PFLOP/s in a burst.
    gemm = fits.kernels["fp8_blockwise_scaled_mm"]
    assert 1.3 < gemm.slowdown[Term.TENSOR] < 1.9
    # A read, a write and next to no arithmetic: what a copy reaches, 4.08 of 4.8 TB/s.
    add = fits.kernels["shared_experts_add"]
    assert 1.0 <= add.slowdown[Term.HBM] < 1.2
    # 131,072 blocks that each copy a few bytes take 80 us: no bandwidth explains them.
    assert fits.kernels["shuffle_rows"].row_s > 1e-9
    # Counters saw its FLOP on the FP32 units.
    assert Term.TENSOR not in fits.kernels["dsv3_router_gemm"].not_identified


def test_a_profile_without_a_timed_point_has_only_reasons(
    make_profile: Factory, make_measurement: Factory
) -> None:
    failed = make_measurement(status=Status.FAILED, reason="it broke")
    fits = fit_kernels(make_profile(measurements=(failed,)), Cache.COLD)

    assert fits.kernels == {}
    assert fits.reasons == {"rmsnorm": "no point has a cold time"}


def test_a_profile_of_one_point_is_fitted_with_nothing_identified(
    make_profile: Factory,
) -> None:
    fits = fit_kernels(make_profile(), Cache.COLD)
    fit = fits.kernels["rmsnorm"]

    assert fit.reason == "timed at 1 of the 3 token counts needed"
    assert set(fit.not_identified) == {Term.VECTOR, Term.HBM, Term.ON_CHIP}
    assert fit.error_pct == 100
    assert fit.spread == (0.5, 2.0)


def test_a_kernel_with_one_point_is_as_uncertain_as_the_worse_of_the_others(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> None:
    swept = [
        make_measurement(batch_size=2**at, cold=make_timing(median_us=4 + 2**at / 8))
        for at in range(8)
    ]
    alone = make_measurement(kernel="alone")
    fits = fit_kernels(make_profile(measurements=(*swept, alone)), Cache.COLD)
    others = errors(fits.left_out["rmsnorm"])

    assert fits.left_out["alone"] == ()
    assert fits.kernels["alone"].error_pct == pytest.approx(others.p90_pct)
    assert fits.kernels["rmsnorm"].error_pct == pytest.approx(others.median_pct)


def test_the_fits_of_one_profile_are_made_once(make_profile: Factory) -> None:
    profile, equal = make_profile(), make_profile()

    assert fit_kernels(profile, Cache.COLD) is fit_kernels(profile, Cache.COLD)
    assert fit_kernels(equal, Cache.COLD) is not fit_kernels(profile, Cache.COLD)
    assert fit_kernels(profile, Cache.WARM).cache is Cache.WARM
