from pathlib import Path

import pytest

from dsprof.harness.errors import EnvironmentLacksError
from dsprof.harness.ncu import NcuOptions, NcuRun, find_ncu, ncu_command
from dsprof.harness.records import Cache


def words(**changes: object) -> list[str]:
    options = NcuOptions(cache=Cache.COLD, **changes)  # type: ignore[arg-type]
    return ncu_command(options, ["a.sum", "b.sum"], Path("out.ncu-rep"), ["program"])


def value_of(option: str, command: list[str]) -> str:
    return command[command.index(option) + 1]


def test_the_command_leaves_clocks_and_names_alone_and_counts_own_ranges_only() -> None:
    command = words()
    assert value_of("--clock-control", command) == "none"
    assert value_of("--rename-kernels", command) == "no"
    assert value_of("--nvtx-include", command) == "regex:dsprof@.+"
    assert value_of("--metrics", command) == "a.sum,b.sum"
    assert command[-2:] == ["out.ncu-rep", "program"]


@pytest.mark.parametrize(("cache", "control"), [("cold", "all"), ("warm", "none")])
def test_the_cache_state_is_what_ncu_does_before_each_replay(
    cache: str, control: str
) -> None:
    options = NcuOptions(cache=Cache(cache))
    command = ncu_command(options, ["a"], Path("r"), [])
    assert value_of("--cache-control", command) == control


def test_sections_and_the_full_set_are_on_demand() -> None:
    assert "--section" not in words()
    assert words(sections=True).count("--section") == 4
    assert value_of("--set", words(full=True)) == "full"


def test_passes_are_read_from_the_log() -> None:
    log = (
        "==PROF== Connected to process 9 (/usr/bin/python3)\n"
        '==PROF== Profiling "cp" - 0: 0%....50%....100% - 12 passes\n'
        '==PROF== Profiling "one" - 1: 0%....50%....100% - 1 pass\n'
    )
    run = NcuRun(report=Path("r"), log=log, exit_status=0, timed_out=False)
    assert run.passes == (12, 1)


def test_without_ncu_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentLacksError, match=r"ncu is not on PATH\. Install"):
        find_ncu()
