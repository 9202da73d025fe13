from dataclasses import replace

import pytest

from dsprof.harness.records import Phase, Point
from dsprof.kernels.registry import load_kernel
from dsprof.kernels.spec import Limit, Workload, gemm_shape, rows_width

POINT = Point(kernel="x", op="y", phase=Phase.PREFILL, batch_size=4, seq_len=128)
WORK = Workload(point=POINT, axes={"n": 7168, "k": 2112})


def test_a_workload_has_the_points_tokens_and_the_ops_axes() -> None:
    assert (WORK.tokens, WORK["n"]) == (512, 7168)


def test_shapes_are_m_n_k_with_zero_for_no_k() -> None:
    assert rows_width(WORK) == (512, 7168, 0)
    assert gemm_shape(WORK) == (512, 7168, 2112)


@pytest.mark.parametrize(
    ("capability", "reason"),
    [
        ((8, 9), "toy needs compute capability 9.0; this GPU has 8.9."),
        ((9, 0), None),
        ((10, 3), None),
        ((12, 0), "toy runs up to compute capability 10.3; this GPU has 12.0."),
    ],
)
def test_a_gpu_outside_the_range_is_told_the_end_it_misses(
    capability: tuple[int, int], reason: str | None
) -> None:
    kernel = replace(
        load_kernel("rmsnorm"),
        name="toy",
        min_compute_capability=(9, 0),
        max_compute_capability=(10, 3),
    )
    assert kernel.capability_reason(capability) == reason


def test_the_first_limit_that_refuses_gives_the_reason() -> None:
    kernel = replace(
        load_kernel("rmsnorm"),
        limits=(
            Limit(allows=lambda work: work["n"] > 0, reason="no columns"),
            Limit(allows=lambda work: work.tokens < 512, reason="too many"),
            Limit(allows=lambda _: False, reason="never"),
        ),
    )
    assert kernel.limit_reason(WORK) == "too many"
    assert load_kernel("rmsnorm").limit_reason(WORK) is None
