import gzip
import json
import os
import sys
from pathlib import Path

import pytest

from dsprof.harness.errors import DsprofError, UsageError
from dsprof.harness.kineto import (
    RUNNER,
    KinetoRequest,
    find_trace,
    run_kineto,
    split_python,
)

PROGRAM = """
import sys
import torch
print(sys.argv, __name__)
torch.ones(4).neg()
with torch.profiler.record_function("prefill"):
    torch.ones(4).add(1)
with torch.profiler.record_function("decode"):
    torch.ones(4).mul(2)
"""


def test_a_script_is_run_by_its_own_interpreter(tmp_path: Path) -> None:
    request = KinetoRequest(
        program=["python3", "-u", "-X", "dev", "app.py", "--range", "x"],
        trace=tmp_path / "t.json.gz",
        ranges=["decode"],
        limit_s=1.0,
    )
    assert request.command == [
        "python3", "-u", "-X", "dev", "-P", str(RUNNER), str(tmp_path / "t.json.gz"),
        "--range=decode", "--", "app.py", "--range", "x",
    ]  # fmt: skip


def test_a_module_keeps_the_current_folder_off_its_path_if_asked() -> None:
    parts = split_python(["/opt/python3.12", "-P", "-m", "app", "-v"])
    assert parts.interpreter == ("/opt/python3.12", "-P")
    assert parts.program == ("-m", "app", "-v")
    assert parts.safe_path


@pytest.mark.parametrize(
    ("head", "interpreter"),
    [("#!/opt/x/python3", "/opt/x/python3"), ("#!/usr/bin/env python3", "python3")],
)
def test_an_installed_python_script_is_run_by_what_it_names(
    tmp_path: Path, head: str, interpreter: str
) -> None:
    script = tmp_path / "app"
    script.write_text(f"{head}\nprint()\n")
    script.chmod(0o755)
    parts = split_python([str(script), "-x"])
    assert parts.interpreter == (interpreter,)
    assert parts.program == (str(script), "-x")


@pytest.mark.parametrize(
    "program", [["/bin/sh", "-c", "x"], ["no-such"], ["python3"], ["python3", "-m"]]
)
def test_what_is_no_python_program_is_refused(program: list[str]) -> None:
    with pytest.raises(UsageError, match="--timeline torch"):
        split_python(program)


def record(tmp_path: Path, *ranges: str, program: str = PROGRAM) -> KinetoRequest:
    script = tmp_path / "app.py"
    script.write_text(program)
    return KinetoRequest(
        program=[sys.executable, str(script), "one"],
        trace=tmp_path / "nsys" / "t.kineto.json.gz",
        ranges=ranges,
        limit_s=60.0,
    )


def events(trace: Path) -> set[str]:
    with gzip.open(trace) as file:
        return {event.get("name", "") for event in json.load(file)["traceEvents"]}


def test_a_trace_begins_with_the_range_and_goes_to_the_end(tmp_path: Path) -> None:
    request = record(tmp_path, "decode")
    run = run_kineto(request, os.environ)
    assert run.problem == ""
    found = events(find_trace(request, run))
    assert {"decode", "aten::mul"} <= found
    assert not {"prefill", "aten::add"} & found
    script = str(tmp_path / "app.py")
    assert f"{[script, 'one']} __main__" in run.output.read_text()


def test_a_range_that_never_begins_is_answered_with_those_that_do(
    tmp_path: Path,
) -> None:
    request = record(tmp_path, "nope")
    with pytest.raises(DsprofError, match="no record_function range 'nope'") as missing:
        find_trace(request, run_kineto(request, os.environ))
    assert "'prefill' (1), 'decode' (1)" in str(missing.value)


def test_a_program_that_fails_leaves_its_trace_and_its_status(tmp_path: Path) -> None:
    request = record(tmp_path, program=PROGRAM + "sys.exit('out of pages')")
    run = run_kineto(request, os.environ)
    assert run.problem == "The program ended with exit status 1: out of pages"
    assert {"prefill", "decode", "aten::neg"} <= events(find_trace(request, run))
