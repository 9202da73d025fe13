import os
import sys
import time
from pathlib import Path

import pytest

from dsprof.harness.program_run import ProgramRun, ending, last_line, run_program

PYTHON = (sys.executable, "-c")


def run(
    tmp_path: Path, code: str, limit_s: float = 30.0, soft_s: float = 5.0
) -> ProgramRun:
    return run_program(
        [*PYTHON, code],
        tmp_path / "run",
        limit_s=limit_s,
        environment=os.environ,
        interrupt_s=soft_s,
    )


def test_what_a_program_writes_is_kept_apart(tmp_path: Path) -> None:
    done = run(tmp_path, "import sys; print('a'); print('b', file=sys.stderr)")
    assert (done.exit_status, done.timed_out, done.problem) == (0, False, "")
    assert done.output.read_text() == "a\n"
    assert done.errors.read_text() == "b\n"


def test_a_program_that_fails_is_told_by_its_status_and_last_words(
    tmp_path: Path,
) -> None:
    done = run(tmp_path, "import sys; sys.exit('bad\\nthing happened')")
    assert done.problem == "The program ended with exit status 1: thing happened"


def test_a_program_that_hangs_is_interrupted_and_may_still_write(
    tmp_path: Path,
) -> None:
    code = (
        "import time\ntry:\n  time.sleep(60)\n"
        "except KeyboardInterrupt:\n  print('saved')"
    )
    done = run(tmp_path, code, limit_s=1.0)
    assert done.timed_out
    assert "did not end in 1 s and was stopped" in done.problem
    assert done.output.read_text() == "saved\n"


def test_a_program_that_will_not_be_interrupted_is_killed_with_its_children(
    tmp_path: Path,
) -> None:
    pid_file = tmp_path / "pid"
    child = f"import os,time; open({str(pid_file)!r},'w').write(str(os.getpid())); "
    child += "time.sleep(60)"
    code = (
        "import signal,subprocess,sys,time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)\n"
        "time.sleep(60)"
    )
    done = run(tmp_path, code, limit_s=1.5, soft_s=0.2)
    assert done.timed_out
    assert done.exit_status == -9
    state = Path("/proc") / pid_file.read_text() / "stat"
    for _ in range(50):
        if not state.exists() or " Z " in state.read_text():
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child in another session lives on")


def test_children_that_outlive_a_program_are_ended(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    child = f"import os,time; open({str(pid_file)!r},'w').write(str(os.getpid())); "
    child += "time.sleep(60)"
    code = (
        "import subprocess,sys,time,pathlib\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)\n"
        f"while not pathlib.Path({str(pid_file)!r}).exists(): time.sleep(0.01)\n"
        "time.sleep(0.1)"
    )
    assert run(tmp_path, code).problem == ""
    time.sleep(0.1)
    state = Path("/proc") / pid_file.read_text() / "stat"
    assert not state.exists() or " Z " in state.read_text()


def test_the_last_line_is_the_last_that_says_something(tmp_path: Path) -> None:
    file = tmp_path / "log"
    assert last_line(file) == ""
    file.write_bytes(b"one\n[1%\r[100%] done \r\n\n  \n")
    assert last_line(file) == "[100%] done"


def test_a_signal_is_named() -> None:
    assert ending(-11) == "SIGSEGV"
    assert ending(3) == "exit status 3"
