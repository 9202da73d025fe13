import statistics
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.analysis.gpu_work import GpuWork, Kind, Members, whole_recording
from dsprof.analysis.timeline_rows import (
    busy_ns,
    kernel_times,
    launch_mode,
    range_times,
)

intervals = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 60)), min_size=1, max_size=25
)


def integers(values: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def make_work(
    times: Sequence[tuple[int, int]], kinds: Sequence[Kind] | None = None
) -> GpuWork:
    """Operations (start, length): kernels ``a`` and ``b`` by turns, of two grids."""
    count = len(times)
    return GpuWork(
        start_ns=integers([start for start, _ in times]),
        end_ns=integers([start + length for start, length in times]),
        kind=integers(kinds or [Kind.KERNEL] * count),
        device=integers([0] * count),
        name=integers([at % 2 for at in range(count)]),
        configuration=integers([at % 3 % 2 for at in range(count)]),
        names=("a", "b"),
        configurations=(((1, 1, 1), (32, 1, 1)), ((2, 1, 1), (32, 1, 1))),
    )


@given(intervals)
def test_busy_time_is_the_nanoseconds_in_which_anything_ran(
    times: list[tuple[int, int]],
) -> None:
    covered = {ns for start, length in times for ns in range(start, start + length)}
    work = make_work(times)
    assert busy_ns(work.start_ns, work.end_ns) == len(covered)


@given(intervals)
def test_statistics_are_those_of_the_launches(times: list[tuple[int, int]]) -> None:
    work = make_work(times)
    rows = kernel_times(work, whole_recording(work), ("",))
    for name, first in (("a", 0), ("b", 1)):
        lengths = [length for _, length in times[first::2]]
        mine = [row for row in rows if row.kernel_name == name and row.grid is None]
        assert len(mine) == bool(lengths)
        for row in mine:
            assert (row.instances, row.total_ns) == (len(lengths), sum(lengths))
            assert (row.min_ns, row.max_ns) == (min(lengths), max(lengths))
            assert row.median_ns == statistics.median(lengths)
            spread = statistics.stdev(lengths) if len(lengths) > 1 else 0
            assert row.stddev_ns == pytest.approx(spread)


@given(intervals)
def test_rows_of_names_and_of_configurations_each_count_every_launch(
    times: list[tuple[int, int]],
) -> None:
    work = make_work(times)
    rows = kernel_times(work, whole_recording(work), ("",))
    for one_kind in (
        [row for row in rows if row.grid is None],
        [row for row in rows if row.grid is not None],
    ):
        assert sum(row.instances for row in one_kind) == len(times)
        assert sum(row.total_ns for row in one_kind) == sum(ns for _, ns in times)
    keys = [(row.kernel_name, row.grid, row.block) for row in rows]
    assert len(set(keys)) == len(keys)


def test_the_wall_is_summed_over_instances() -> None:
    work = make_work([(0, 10), (20, 10), (100, 5)])
    members = Members(
        range_of=integers([0, 0]),
        instance=integers([0, 0, 1]),
        operation=integers([0, 1, 2]),
    )
    (time,) = range_times(work, members, [("decode", "")])
    assert (time.instances, time.wall_ns, time.busy_ns) == (2, 30 + 5, 25)


def test_a_range_without_work_has_zeros_and_no_rows() -> None:
    work = make_work([(0, 10)])
    none = Members(
        range_of=integers([0]), instance=integers([]), operation=integers([])
    )
    (time,) = range_times(work, none, [("decode", "")])
    assert (time.instances, time.wall_ns, time.busy_ns, time.kernels) == (0, 0, 0, 0)
    assert kernel_times(work, none, ("decode",)) == ()


@pytest.mark.parametrize(
    ("in_graph", "mode"),
    [
        ([0, 0, 0], "eager"),
        ([1, 1, 0], "CUDA graph"),
        ([1, 0, 1], "eager and CUDA graph"),
    ],
)
def test_copies_do_not_make_a_graphed_step_eager(
    in_graph: list[int], mode: str
) -> None:
    work = make_work([(0, 1)] * 3, [Kind.KERNEL, Kind.KERNEL, Kind.COPY])
    assert launch_mode(work, whole_recording(work), integers(in_graph)) == mode
