import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness import timeline_csv
from dsprof.harness.errors import ProfileError
from dsprof.harness.timeline import KernelTime, Timeline, TimelineTool

text = st.text(st.characters(codec="utf-8"))
sizes = st.tuples(*[st.integers(1, 2**31 - 1)] * 3)
times = st.integers(0, 2**62)
rows = st.builds(
    KernelTime,
    range=text,
    kernel_name=text,
    grid=st.none() | sizes,
    block=st.none() | sizes,
    device=st.none() | st.integers(0, 15),
    instances=st.integers(1, 2**40),
    total_ns=times,
    median_ns=st.floats(0, 2**62),
    min_ns=times,
    max_ns=times,
    stddev_ns=st.floats(0, 2**62),
)
EMPTY = Timeline(tool=TimelineTool.NSYS)
HEADER = timeline_csv.to_text(())


def with_kernels(kernels: list[KernelTime]) -> Timeline:
    return Timeline(tool=TimelineTool.NSYS, kernels=tuple(kernels))


@given(st.lists(st.lists(rows, max_size=4), max_size=3))
def test_what_was_written_comes_back(kernels: list[list[KernelTime]]) -> None:
    timelines = tuple(map(with_kernels, kernels))
    read = timeline_csv.add_rows(
        [EMPTY] * len(timelines), timeline_csv.to_text(timelines), "timeline.csv"
    )
    assert read == (timelines, 0)


def test_rows_without_a_timeline_are_counted_and_left_out() -> None:
    row = KernelTime(
        kernel_name="a",
        instances=1,
        total_ns=5,
        median_ns=5.0,
        min_ns=5,
        max_ns=5,
        stddev_ns=0.0,
    )
    written = timeline_csv.to_text([with_kernels([row]), with_kernels([row, row])])
    (read,), left = timeline_csv.add_rows([EMPTY], written, "timeline.csv")
    assert (read.kernels, left) == ((row,), 2)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('0,"","a","","",0,one,5,5.0,5,5,0.0', "line 2: invalid literal"),
        ('0,"","a","","",0,0,5,5.0,5,5,0.0', "line 2: instances is 0"),
        ('0,"","a","8x1","",0,1,5,5.0,5,5,0.0', "line 2: not enough values"),
        ('0,"","a","","",0,1,5', "line 2: zip"),
        ('0,"","a', "line 2: unexpected end of data"),
    ],
)
def test_a_broken_row_is_named_by_its_line(line: str, problem: str) -> None:
    with pytest.raises(ProfileError, match=problem):
        timeline_csv.add_rows([EMPTY], f"{HEADER}{line}\n", "timeline.csv")


def test_a_file_with_other_columns_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"timeline\.csv, line 1: its"):
        timeline_csv.add_rows([EMPTY], "a,b\n", "timeline.csv")
