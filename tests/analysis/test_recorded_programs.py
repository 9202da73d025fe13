"""Whole models as they were recorded on an H200, held against `nsys stats`."""

import csv
from pathlib import Path

import pytest

from dsprof.analysis.names import UNKNOWN_LIBRARY, name_kernel
from dsprof.harness.ncu_selection import kernel_coverage, select_kernels
from dsprof.harness.profile import Profile
from dsprof.harness.store import BUNDLED_PROFILES, load_profile

STATS = Path(__file__).parents[1] / "data" / "nsys_stats"
RANGE = "decode"
TOP = 20
COUNTED = ("2026-11-21-v3-graph", "2026-11-21-ocr2-graph")
RECORDED = (*COUNTED, "2026-11-21-ocr2-eager")


def recorded(name: str) -> Profile:
    return load_profile(BUNDLED_PROFILES / "h200-sxm" / name)


def stats(name: str, report: str) -> list[dict[str, str]]:
    with (STATS / f"{name}.{report}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", RECORDED)
def test_every_kernel_has_the_times_that_nsys_gives_it(name: str) -> None:
    (timeline,) = recorded(name).timelines
    ours = {
        row.kernel_name: (row.total_ns, row.instances, row.min_ns, row.max_ns)
        for row in timeline.kernel_rows(RANGE)
    }
    theirs = {
        row["Name"]: tuple(
            int(float(row[column]))
            for column in ("Total Time (ns)", "Instances", "Min (ns)", "Max (ns)")
        )
        for row in stats(name, "cuda_gpu_kern_sum")
    }
    assert ours == theirs


@pytest.mark.parametrize("name", RECORDED)
def test_a_range_takes_as_long_as_nsys_projects_it(name: str) -> None:
    (timeline,) = recorded(name).timelines
    time = timeline.range_time(RANGE)
    assert time is not None
    projected = {
        row["Range"]: int(row["Total Proj Time (ns)"])
        for row in stats(name, "nvtx_gpu_proj_sum")
    }
    assert time.wall_ns == projected[f":{RANGE}"]
    assert time.kernel_ns == sum(row.total_ns for row in timeline.kernel_rows(RANGE))
    assert time.busy_ns <= time.kernel_ns + time.copy_ns
    assert time.gap_ns >= 0


@pytest.mark.parametrize("name", COUNTED)
def test_each_of_the_longest_kernels_has_counters_for_its_time(name: str) -> None:
    profile = recorded(name)
    selection = select_kernels(profile.timelines[0], RANGE, TOP)
    covered = kernel_coverage(selection, profile.counters)
    assert len(covered) == TOP
    for row in covered:
        assert row.profiled_ns >= 0.9 * row.total_ns
    assert profile.captures[0].gaps == ()


def test_kernels_without_counters_are_named_with_the_reason() -> None:
    profile = recorded("2026-11-21-ocr2-eager")
    selection = select_kernels(profile.timelines[0], RANGE, TOP)
    counted = {row.kernel_name for row in profile.counters}
    gaps = {gap.label: gap.reason for gap in profile.captures[0].gaps}
    assert gaps.keys() == set(selection.wanted) - counted
    assert all(gaps.values())


@pytest.mark.parametrize("name", RECORDED)
def test_every_recorded_kernel_has_a_library(name: str) -> None:
    (timeline,) = recorded(name).timelines
    for row in timeline.kernel_rows(RANGE):
        assert name_kernel(row.kernel_name).library != UNKNOWN_LIBRARY


@pytest.mark.parametrize("name", RECORDED)
def test_the_program_says_what_it_ran(name: str) -> None:
    (timeline,) = recorded(name).timelines
    assert timeline.about["decode_tokens"] == "64"
    assert timeline.about["versions.transformers"] == "5.17.0"
