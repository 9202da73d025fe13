from dsprof.harness.timeline import KernelTime, RangeTime, Timeline, TimelineTool


def row(name: str, total_ns: int, **changes: object) -> KernelTime:
    fields = {
        "range": "decode",
        "kernel_name": name,
        "instances": 4,
        "total_ns": total_ns,
        "median_ns": 1.0,
        "min_ns": 1,
        "max_ns": 1,
        "stddev_ns": 0.0,
    }
    return KernelTime(**(fields | changes))  # type: ignore[arg-type]


def test_the_mean_is_the_total_over_the_launches() -> None:
    assert row("a", 10).mean_ns == 2.5


def test_the_gap_is_wall_time_in_which_no_gpu_worked() -> None:
    time = RangeTime(
        name="decode",
        instances=2,
        wall_ns=100,
        busy_ns=70,
        kernel_ns=80,
        copy_ns=5,
        kernels=9,
    )
    assert time.gap_ns == 30


def test_kernel_rows_are_one_a_name_and_the_longest_first() -> None:
    timeline = Timeline(
        tool=TimelineTool.NSYS,
        kernels=(
            row("a", 10),
            row("a", 10, grid=(1, 1, 1), block=(32, 1, 1)),
            row("b", 30),
            row("c", 99, range="prefill"),
        ),
    )
    assert [entry.kernel_name for entry in timeline.kernel_rows("decode")] == ["b", "a"]


def test_configurations_are_those_of_one_kernel_in_one_range() -> None:
    small = row("a", 10, grid=(1, 1, 1), block=(32, 1, 1))
    large = row("a", 20, grid=(2, 1, 1), block=(32, 1, 1))
    other = row("a", 99, grid=(3, 1, 1), block=(32, 1, 1), range="prefill")
    timeline = Timeline(
        tool=TimelineTool.NSYS, kernels=(row("a", 30), small, large, other)
    )
    assert timeline.configurations("decode", "a") == (large, small)


def test_a_range_that_was_not_asked_for_has_no_times() -> None:
    assert Timeline(tool=TimelineTool.TORCH).range_time("decode") is None
