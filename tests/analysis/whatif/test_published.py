"""Numbers that others published, beside what a profile projects."""

from dataclasses import replace

import pytest

from dsprof.analysis.whatif.fit import fit_kernels
from dsprof.analysis.whatif.published import (
    Comparison,
    compare_published,
    published_rows,
    target_on,
)
from dsprof.analysis.whatif.target import source_target
from dsprof.harness.device import Datapath, device_spec, known_devices
from dsprof.harness.profile import Profile
from dsprof.harness.records import Cache
from tests.conftest import Factory

SHAPE = (4096, 7168, 2048)


@pytest.fixture
def gemms(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> Profile:
    """One GEMM on an H200 at three token counts; at 4,096 tokens it takes 120 us."""
    rows = tuple(
        make_measurement(
            kernel="fp8_blockwise_scaled_mm",
            op="shared_experts.down_proj",
            batch_size=m,
            m=m,
            n=7168,
            k=2048,
            flops={Datapath.FP8_TENSOR: 2 * m * 7168 * 2048},
            bytes_read=m * 2048 + 7168 * 2048,
            bytes_written=2 * m * 7168,
            cold=make_timing(median_us=120.0 * m / 4096),
        )
        for m in (1024, 2048, 4096)
    )
    made: Profile = make_profile(device=device_spec("h200-sxm"), measurements=rows)
    return made


def compared(profile: Profile) -> dict[str, Comparison]:
    found = compare_published(profile, fit_kernels(profile, Cache.COLD))
    return {f"{one.published.title}: {one.published.shape}": one for one in found}


def test_every_row_has_a_source_a_machine_and_a_number() -> None:
    rows = published_rows()
    assert len(rows) == 25
    for row in rows:
        assert row.source
        assert row.limits_of in known_devices()
        assert (row.flops_per_s or row.bytes_per_s or 0) > 1e12
        assert bool(row.works) != bool(row.why)


def test_published_rates_and_bytes_are_of_one_time() -> None:
    """Bytes of the FP8 GEMM: MK + NK, and MN of bf16; the table's own two numbers."""
    both = [
        row for row in published_rows() if row.gemm and row.time_s and row.bytes_per_s
    ]
    assert len(both) == 10
    for row in both:
        assert row.gemm is not None
        m, n, k = row.gemm
        total_bytes = m * k + n * k + 2 * m * n
        assert row.time_s is not None
        assert total_bytes / row.time_s == pytest.approx(row.bytes_per_s, rel=0.005)


def test_a_row_is_projected_from_the_point_of_its_shape(gemms: Profile) -> None:
    one = compared(gemms)["DeepGEMM, dense FP8: 4096 x 7168 x 2048"]
    assert one.kernel == "fp8_blockwise_scaled_mm"
    assert one.projection is not None
    # H800 as an H100: the same FP8 rate as the H200, and it is tensor-limited.
    time_s = one.projection.estimate.time_s
    assert time_s == pytest.approx(120e-6)
    flops = 2 * 4096 * 7168 * 2048
    assert one.projected_flops_per_s == pytest.approx(flops / time_s)
    published_s = flops / 1025e12
    assert one.error_pct == pytest.approx(100 * (time_s / published_s - 1))
    assert "block scales" in one.differs


def test_a_shape_without_a_point_says_so(gemms: Profile) -> None:
    one = compared(gemms)["DeepGEMM, dense FP8: 64 x 2112 x 7168"]
    assert one.projection is None
    assert one.error_pct is None
    assert "no cold time of fp8_blockwise_scaled_mm or fp8_scaled_mm" in one.why


def test_rows_that_no_profile_can_project_keep_their_reason(gemms: Profile) -> None:
    found = compared(gemms)
    assert "16 heads" in found["FlashMLA, 16 heads: B=128, kv_len 4096, 16 heads"].why
    assert "sparse" in found["FlashMLA, sparse: prefill"].why
    assert "groups" in found["DeepGEMM, grouped FP8: masked, 4 x 256 x 7168 x 2048"].why


def test_the_nearest_kernel_with_a_time_is_taken(gemms: Profile) -> None:
    others = tuple(
        replace(row, point=replace(row.point, kernel="fp8_scaled_mm"))
        for row in gemms.measurements
    )
    shape = "DeepGEMM, dense FP8: 4096 x 7168 x 2048"
    only = compared(replace(gemms, measurements=others))[shape]
    assert only.kernel == "fp8_scaled_mm"
    assert "a token and a channel" in only.differs
    both = replace(gemms, measurements=(*others, *gemms.measurements))
    assert compared(both)[shape].kernel == "fp8_blockwise_scaled_mm"


def test_a_best_of_no_stated_shape_is_held_against_the_best_point(
    make_profile: Factory, make_measurement: Factory, make_timing: Factory
) -> None:
    rows = tuple(
        make_measurement(
            kernel="flash_mla",
            op="attn_mqa",
            batch_size=batch_size,
            flops={Datapath.BF16_TENSOR: batch_size * 10**9},
            bytes_read=batch_size * 10**6,
            bytes_written=10**5,
            cold=make_timing(median_us=20 + 2.0 * batch_size),
        )
        for batch_size in (1, 16, 64, 128)
    )
    profile = make_profile(device=device_spec("h200-sxm"), measurements=rows)
    name = "FlashMLA, dense decode, at its best: not stated, compute-bound"
    one = compared(profile)[name]
    assert one.projection is not None
    assert "B=128" in one.differs


def test_an_h800_has_the_limits_of_an_h100_under_its_own_name(gemms: Profile) -> None:
    row = published_rows()[0]
    target = target_on(row, source_target(gemms))
    assert target.name == "NVIDIA H800"
    assert target.hbm_bytes_per_s == 3.35e12
