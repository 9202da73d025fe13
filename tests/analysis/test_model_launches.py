import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.model_launches import CountedPart, counted_parts, typical_launch
from dsprof.harness.counters import Counters
from tests.analysis.planted import Planted, timeline_of


def launch(**changes: object) -> Counters:
    fields = {"kernel_name": "k", "grid": (1, 1, 1), "duration_ns": 1000.0}
    return Counters(**(fields | changes))  # type: ignore[arg-type]


def test_a_mean_launch_weighs_percentages_by_time_and_bytes_by_instances() -> None:
    parts = [
        CountedPart(
            launch=launch(dram_bytes=100.0, sm_pct=80.0), instances=3, total_ns=9000
        ),
        CountedPart(
            launch=launch(dram_bytes=500.0, sm_pct=40.0, duration_ns=5000.0),
            instances=1,
            total_ns=1000,
        ),
    ]
    mean = typical_launch(parts)
    assert mean.sm_pct == pytest.approx(0.9 * 80 + 0.1 * 40)
    assert mean.dram_bytes == pytest.approx((3 * 100 + 500) / 4)
    assert mean.duration_ns == pytest.approx((3 * 1000 + 5000) / 4)


def test_a_counter_that_one_configuration_lacks_is_missing_of_the_kernel() -> None:
    parts = [
        CountedPart(launch=launch(l1_hit_pct=50.0), instances=1, total_ns=10),
        CountedPart(
            launch=launch(missing={"l1_hit_pct": "no data"}), instances=1, total_ns=10
        ),
    ]
    mean = typical_launch(parts)
    assert mean.l1_hit_pct is None
    assert "no data" in mean.missing["l1_hit_pct"]


@given(
    weights=st.lists(
        st.tuples(
            st.integers(1, 1000),
            st.floats(1, 1e9),
            st.floats(0, 100),
            st.floats(0, 1e9),
        ),
        min_size=2,
        max_size=5,
    )
)
def test_means_lie_within_what_they_are_of(
    weights: list[tuple[int, float, float, float]],
) -> None:
    parts = [
        CountedPart(
            launch=launch(sm_pct=pct, dram_bytes=count),
            instances=instances,
            total_ns=total_ns,
        )
        for instances, total_ns, pct, count in weights
    ]
    mean = typical_launch(parts)
    assert mean.sm_pct is not None
    assert mean.dram_bytes is not None
    percentages = [pct for _, _, pct, _ in weights]
    counts = [count for *_, count in weights]
    assert min(percentages) <= mean.sm_pct <= max(percentages)
    slack = 1e-9 * max(counts)
    assert min(counts) - slack <= mean.dram_bytes <= max(counts) + slack


def test_one_configuration_in_two_shared_memory_sizes_shares_its_time() -> None:
    kernel = Planted(name="k", total_us=100.0)
    timeline = timeline_of((kernel,))
    rows = [
        launch(grid=(100, 1, 1), block=(128, 1, 1), shared_memory_dynamic_bytes=size)
        for size in (0.0, 1024.0)
    ]
    parts = counted_parts(rows, timeline, "decode", "k")
    assert [part.instances for part in parts] == [5, 5]
    assert sum(part.total_ns for part in parts) == 100_000
