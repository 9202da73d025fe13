import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.timeline_frame import (
    coverage_pct,
    family_shares,
    kernels_frame,
    library_shares,
    reconcile,
    share_of_recording_pct,
)
from dsprof.harness.errors import UsageError
from dsprof.harness.timeline import (
    DeviceTime,
    KernelTime,
    RangeTime,
    Timeline,
    TimelineTool,
)

GEMM = "nvjet_tst_192x192_64x4_2x1_v_bz_coopB_bias_TNN"
ADD = (
    "void at::native::vectorized_elementwise_kernel<(int)4, "
    "at::native::CUDAFunctor_add<c10::BFloat16>, std::array<char *, (unsigned long)3>>"
    "(int, T2, T3)"
)
OWN = "my_kernel(int)"


def row(name: str, total_ns: int, **changes: object) -> KernelTime:
    fields = {
        "range": "decode",
        "kernel_name": name,
        "instances": 2,
        "total_ns": total_ns,
        "median_ns": total_ns / 2,
        "min_ns": 1,
        "max_ns": total_ns,
        "stddev_ns": 0.0,
    }
    return KernelTime(**(fields | changes))  # type: ignore[arg-type]


def make_time(name: str, **changes: object) -> RangeTime:
    fields = {
        "name": name,
        "instances": 1,
        "wall_ns": 15_000_000,
        "busy_ns": 11_900_000,
        "kernel_ns": 12_300_000,
        "copy_ns": 100_000,
        "kernels": 6,
    }
    return RangeTime(**(fields | changes))  # type: ignore[arg-type]


def make_timeline(*kernels: KernelTime, **changes: object) -> Timeline:
    time = make_time("decode", **changes)
    whole = make_time("", kernel_ns=24_600_000)
    return Timeline(
        tool=TimelineTool.NSYS, range="decode", ranges=(whole, time), kernels=kernels
    )


DECODE = make_timeline(
    row(OWN, 10),
    row(GEMM, 60),
    row(ADD, 30, instances=6),
    row(GEMM, 50, grid=(8, 1, 1), block=(128, 1, 1)),
    row(GEMM, 10, grid=(9, 1, 1), block=(128, 1, 1)),
    row("other()", 999, range="prefill"),
)


def test_a_frame_has_one_row_a_kernel_name_and_the_longest_first() -> None:
    frame = kernels_frame(DECODE)
    assert list(frame.kernel_name) == [GEMM, ADD, OWN]
    assert list(frame.share_pct) == [60.0, 30.0, 10.0]
    assert list(frame.cumulative_pct) == [60.0, 90.0, 100.0]
    assert list(frame.configurations) == [2, 0, 0]
    assert frame.mean_ns[1] == 5.0


def test_a_kernel_is_named_as_everywhere_else() -> None:
    frame = kernels_frame(DECODE)
    assert list(frame.library) == ["cuBLAS", "PyTorch ATen", "unknown"]
    assert list(frame.family) == ["GEMM", "elementwise", "other"]
    assert frame.friendly[2] == "my_kernel"
    assert all(frame.description)


def test_shares_of_families_and_libraries_add_up() -> None:
    frame = kernels_frame(
        make_timeline(row(GEMM, 60), row(GEMM + "x", 20), row(OWN, 20))
    )
    families = family_shares(frame)
    assert list(families.family) == ["GEMM", "other"]
    assert list(families.share_pct) == [80.0, 20.0]
    assert list(families.kernels) == [2, 1]
    libraries = library_shares(frame)
    assert list(libraries.library) == ["cuBLAS", "unknown"]
    assert libraries.share_pct.sum() == pytest.approx(100)


def test_coverage_is_the_share_of_the_longest() -> None:
    frame = kernels_frame(DECODE)
    assert coverage_pct(frame, 2) == 90.0
    assert coverage_pct(frame, 20) == pytest.approx(100.0)


def test_the_reconciliation_says_what_wall_time_is_made_of() -> None:
    assert reconcile(DECODE) == (
        "kernels 12.300 ms + copies 0.100 ms; busy (union) 11.900 ms; "
        "gaps 3.100 ms; wall 15.000 ms"
    )


def test_several_gpus_and_whole_graphs_are_named_in_the_reconciliation() -> None:
    parts = tuple(
        DeviceTime(device=at, busy_ns=at, kernel_ns=0, copy_ns=0, kernels=1)
        for at in (1, 3)
    )
    line = reconcile(make_timeline(wall_ns=900, busy_ns=4, graph_ns=7, devices=parts))
    assert line.endswith("wall 900 ns; GPU 1 busy 1 ns; GPU 3 busy 3 ns")
    assert " + graphs recorded whole 7 ns;" in line


def test_a_range_has_its_share_of_the_recording() -> None:
    assert share_of_recording_pct(DECODE) == 50.0


def test_a_range_that_the_timeline_lacks_is_answered_with_those_it_has() -> None:
    with pytest.raises(UsageError, match=r"no range 'prefill'\. It has: 'decode'"):
        kernels_frame(DECODE, "prefill")
    with pytest.raises(UsageError, match="no range 'x'"):
        reconcile(DECODE, "x")


def test_a_range_without_kernels_gives_an_empty_frame_of_the_same_columns() -> None:
    frame = kernels_frame(make_timeline())
    assert len(frame) == 0
    assert list(frame.columns) == list(kernels_frame(DECODE).columns)
    assert coverage_pct(frame, 20) == 0.0
    assert len(family_shares(frame)) == 0


@given(st.lists(st.integers(0, 2**50), min_size=1, max_size=20))
def test_shares_are_parts_of_the_whole_and_fall(totals: list[int]) -> None:
    kernels = [row(f"k{at}(int)", total) for at, total in enumerate(totals)]
    frame = kernels_frame(make_timeline(*kernels))
    assert frame.total_ns.is_monotonic_decreasing
    expected = 100.0 if sum(totals) else 0.0
    assert frame.share_pct.sum() == pytest.approx(expected)
    assert library_shares(frame).total_ns.sum() == sum(totals)
