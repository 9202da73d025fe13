import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dsprof.harness.counters import Counters
from dsprof.harness.errors import ProfileError
from dsprof.harness.ncu_program import ProgramCapture, ProgramCounters, capture_program
from dsprof.harness.ncu_selection import Selection
from dsprof.harness.records import Cache, Status

FAKE_NCU = Path(__file__).with_name("fake_program_ncu.py")
SIZES = ((1, 1, 1), (32, 1, 1))
OTHER_SIZES = ((2, 1, 1), (32, 1, 1))


def read(report: Path) -> Sequence[Counters]:
    text = report.read_text()
    if text == "broken":
        raise ProfileError(f"{report} is cut off.")
    return [
        Counters(kernel_name=name, grid=tuple(grid), block=tuple(block))
        for name, (grid, block) in json.loads(text)
    ]


class Setting:
    """A folder with the stand-in for ncu and what it is to do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults = folder / "faults"
        self.faults.mkdir()
        script = folder / "ncu"
        script.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" "{FAKE_NCU}" "{self.faults}" "$@"\n'
        )
        script.chmod(0o755)
        self.ncu = str(script)

    def report(self, run: int, *launches: tuple[str, object]) -> None:
        (self.faults / f"report-{run}").write_text(json.dumps(launches))

    def request(
        self, code: str = "pass", limit_s: float = 30.0, **changes: object
    ) -> ProgramCapture:
        selection = Selection(
            range="decode",
            domains=(),
            wanted=("a(int)", "ns::b<1>(T1 *)"),
            excluded={"ncclDevKernel": "left out by design."},
            others=(),
            configurations={
                "a(int)": {SIZES: 90, OTHER_SIZES: 10},
                "ns::b<1>(T1 *)": {SIZES: 50},
            },
        )
        fields: dict[str, object] = {
            "program": (sys.executable, "-c", code),
            "selection": selection,
            "metrics": ("gpu__time_duration.sum",),
            "cache": Cache.COLD,
            "folder": self.folder / "ncu-files",
            "name": "program",
            "limit_s": limit_s,
            "ncu": self.ncu,
        }
        return ProgramCapture(**{**fields, **changes})  # type: ignore[arg-type]

    def capture(self, code: str = "pass", limit_s: float = 30.0) -> ProgramCounters:
        return capture_program(self.request(code, limit_s), read, os.environ)

    @property
    def calls(self) -> list[list[str]]:
        lines = (self.faults / "calls").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path)


def reasons(result: ProgramCounters) -> dict[str, tuple[Status, str]]:
    return {gap.label: (gap.status, gap.reason) for gap in result.gaps}


def value_of(option: str, command: list[str]) -> str:
    return command[command.index(option) + 1]


def test_the_command_takes_one_launch_of_each_configuration(setting: Setting) -> None:
    request = setting.request()
    command = request.command(request.selection)
    assert value_of("--filter-mode", command) == "per-launch-config"
    assert value_of("--launch-count", command) == "1"
    assert value_of("--kernel-name-base", command) == "demangled"
    assert value_of("--graph-profiling", command) == "node"
    assert value_of("--cache-control", command) == "all"
    assert value_of("--clock-control", command) == "none"
    assert value_of("--config-file", command) == "off"  # none of the current folder


def test_names_that_are_not_ncus_are_filtered_by_function(setting: Setting) -> None:
    request = setting.request(by_function=True)
    command = request.command(request.selection)
    assert value_of("--kernel-name-base", command) == "function"
    assert value_of("--kernel-name", command) == "regex:^(a$|b$)"


def test_all_kernels_come_back_from_one_run(setting: Setting) -> None:
    setting.report(1, ("a(int)", SIZES), ("ns::b<1>(T1 *)", SIZES), ("c", SIZES))
    result = setting.capture()
    assert [row.kernel_name for row in result.counters] == ["a(int)", "ns::b<1>(T1 *)"]
    assert len(setting.calls) == 1
    assert result.max_passes == 11
    assert [row.profiled_ns for row in result.coverage] == [90, 50]
    assert reasons(result) == {
        "ncclDevKernel": (Status.UNSUPPORTED, "left out by design.")
    }


def test_a_kernel_without_a_launch_is_tried_again_by_its_function(
    setting: Setting,
) -> None:
    setting.report(1, ("a(int)", SIZES))
    setting.report(2, ("ns::b<1>(T1 *)", SIZES), ("other::b(int)", SIZES))
    result = setting.capture()
    assert [row.kernel_name for row in result.counters] == ["a(int)", "ns::b<1>(T1 *)"]
    (_, again) = setting.calls
    assert value_of("--kernel-name", again) == "regex:^(b$)"
    assert value_of("--launch-count", again) == "5"
    assert reasons(result).keys() == {"ncclDevKernel"}


def with_loaded_kernel(request: ProgramCapture) -> ProgramCapture:
    """The same, and a kernel that a library loads by itself."""
    chosen = request.selection
    selection = replace(
        chosen,
        wanted=(*chosen.wanted, "nvjet_tst"),
        configurations={**chosen.configurations, "nvjet_tst": {SIZES: 40}},
    )
    return replace(request, selection=selection)


def test_kernels_that_a_library_loads_have_a_run_of_their_own(
    setting: Setting,
) -> None:
    setting.report(1, ("a(int)", SIZES), ("ns::b<1>(T1 *)", SIZES))
    setting.report(2, ("nvjet_tst", SIZES))
    request = with_loaded_kernel(setting.request())
    result = capture_program(request, read, os.environ)
    assert [row.profiled_ns for row in result.coverage] == [90, 50, 40]
    first, second = setting.calls
    assert value_of("--kernel-name", first) == "regex:^(a.|ns..b.)"
    assert value_of("--kernel-name", second) == "regex:^(nvjet_tst$)"


def test_a_kernel_with_most_of_its_time_not_covered_is_tried_again(
    setting: Setting,
) -> None:
    setting.report(1, ("a(int)", OTHER_SIZES), ("ns::b<1>(T1 *)", SIZES))
    setting.report(2, ("a(int)", OTHER_SIZES), ("a(int)", SIZES))
    result = setting.capture()
    assert [row.profiled_ns for row in result.coverage] == [100, 50]
    assert len(result.counters) == 3  # no configuration twice
    (_, again) = setting.calls
    assert value_of("--kernel-name", again) == "regex:^(a$)"


def test_ncu_is_stopped_when_it_finds_nothing_new(setting: Setting) -> None:
    setting.report(1, ("a(int)", SIZES), ("ns::b<1>(T1 *)", SIZES))
    (setting.faults / "log").write_text('==PROF== Profiling "k" - 0: 0%....100%\n')
    request = setting.request("import time; time.sleep(60)", limit_s=50.0, idle_s=0.2)
    result = capture_program(request, read, os.environ)
    assert len(result.counters) == 2
    assert result.warnings == []


def test_a_kernel_that_had_not_come_by_then_is_named_with_the_way_out(
    setting: Setting,
) -> None:
    for run in (1, 2):
        setting.report(run, ("a(int)", SIZES))
    (setting.faults / "log").write_text('==PROF== Profiling "k" - 0: 0%....100%\n')
    request = setting.request("import time; time.sleep(60)", limit_s=50.0, idle_s=0.2)
    result = capture_program(request, read, os.environ)
    _, reason = reasons(result)["ns::b<1>(T1 *)"]
    assert "--idle" in reason


def test_a_kernel_that_is_not_launched_again_is_named(setting: Setting) -> None:
    setting.report(1, ("a(int)", SIZES))
    status, reason = reasons(setting.capture())["ns::b<1>(T1 *)"]
    assert status is Status.FAILED
    assert reason == "it was not launched in the range under ncu."


def test_a_kernel_of_other_sizes_is_named_with_them(setting: Setting) -> None:
    for run in (1, 2):
        setting.report(run, ("a(int)", SIZES), ("ns::b<1>(T1 *)", OTHER_SIZES))
    result = setting.capture()
    assert len(result.counters) == 1
    _, reason = reasons(result)["ns::b<1>(T1 *)"]
    assert "other sizes" in reason
    assert "((2, 1, 1), (32, 1, 1))" in reason


def test_a_kernel_that_ncu_cannot_profile_is_named(setting: Setting) -> None:
    (setting.faults / "log").write_text(
        '==ERROR== Failed to profile "b" in process 7\n'
    )
    setting.report(1, ("a(int)", SIZES))
    _, reason = reasons(setting.capture())["ns::b<1>(T1 *)"]
    assert reason.startswith("ncu could not profile it.")


def test_a_program_that_fails_under_ncu_keeps_what_was_profiled(
    setting: Setting,
) -> None:
    setting.report(1, ("a(int)", SIZES))
    result = setting.capture("import sys; sys.exit(4)")
    assert [row.kernel_name for row in result.counters] == ["a(int)"]
    assert any("exit status 4" in warning for warning in result.warnings)
    assert "exit status 4" in reasons(result)["ns::b<1>(T1 *)"][1]


def test_a_program_that_hangs_under_ncu_is_stopped_and_not_tried_again(
    setting: Setting,
) -> None:
    setting.report(1, ("a(int)", SIZES))
    result = setting.capture("import time; time.sleep(60)", limit_s=1.5)
    assert [row.kernel_name for row in result.counters] == ["a(int)"]
    assert reasons(result)["ns::b<1>(T1 *)"][0] is Status.TIMEOUT
    assert len(setting.calls) == 1


def test_counters_that_are_not_allowed_end_the_capture_with_the_fix(
    setting: Setting,
) -> None:
    (setting.faults / "log").write_text("==ERROR== ERR_NVGPUCTRPERM - no permission\n")
    result = setting.capture()
    assert result.error is not None
    assert result.error.whole
    assert len(setting.calls) == 1
    assert "root" in reasons(result)["a(int)"][1]


def test_a_broken_report_is_a_warning_and_the_kernels_are_tried_again(
    setting: Setting,
) -> None:
    (setting.faults / "report-1").write_text("broken")
    setting.report(2, ("a(int)", SIZES), ("ns::b<1>(T1 *)", SIZES))
    result = setting.capture()
    assert len(result.counters) == 2
    assert any("cut off" in warning for warning in result.warnings)
