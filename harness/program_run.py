"""Runs somebody's program under a profiler: within a time limit, and nothing is left.

What a profiler starts may be in other sessions and have other parents than one
expects, so every process of a run carries a mark in its environment.
"""

import contextlib
import os
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = "DSPROF_PROGRAM_RUN"
# A program that is interrupted may still close files; then its profiler writes.
INTERRUPT_S = 15.0
FINISH_S = 120.0
POLL_S = 0.5
SHOWN_CHARACTERS = 300  # of a line that a program wrote


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramRun:
    """How a run ended; both files hold what the profiler and the program wrote."""

    output: Path
    errors: Path
    exit_status: int
    timed_out: bool
    limit_s: float
    enough: bool = False  # stopped because it had given all that was wanted

    @property
    def problem(self) -> str:
        """What went wrong, as a sentence; empty if nothing did."""
        if self.enough:
            return ""
        if self.timed_out:
            return (
                f"The program did not end in {self.limit_s:g} s and was stopped. Give "
                "it less to do, or more time with --timeout."
            )
        if self.exit_status:
            said = last_line(self.errors) or last_line(self.output)
            return f"The program ended with {ending(self.exit_status)}: {said}"
        return ""


def run_program(  # noqa: PLR0913 -- named options of one run
    command: Sequence[str],
    stem: Path,
    *,
    limit_s: float,
    environment: Mapping[str, str],
    program_variable: str = MARK,
    interrupt_s: float = INTERRUPT_S,
    enough: Callable[[], bool] | None = None,
) -> ProgramRun:
    """Run the command to its end or to its limit, its output in files beside ``stem``.

    At the limit, or when ``enough`` says so, the command is interrupted as from a
    keyboard, and then the processes that have ``program_variable`` in their
    environment: so a profiler still gets to write. What is left after that is killed.
    """
    mark = f"{MARK}={uuid.uuid4()}"
    output, errors = stem.with_suffix(".out"), stem.with_suffix(".err")
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            env={**environment, MARK: mark.partition("=")[2]},
        )
        try:
            ended, satisfied = _ends_or(enough, process, limit_s)
            if not ended:
                _stop(process, mark, program_variable, interrupt_s)
        finally:
            kill_marked(mark)
            process.kill()
            process.wait()
    return ProgramRun(
        output=output,
        errors=errors,
        exit_status=process.returncode,
        timed_out=not ended and not satisfied,
        limit_s=limit_s,
        enough=satisfied,
    )


def _stop(
    process: subprocess.Popen[bytes], mark: str, variable: str, interrupt_s: float
) -> None:
    """End the command, softly and then by force, and let a profiler finish."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    if _ends(process, interrupt_s):
        return
    _send(signal.SIGINT, mark, variable)
    if not _ends(process, interrupt_s):
        _send(signal.SIGKILL, mark, variable)
        _ends(process, FINISH_S)


def _ends_or(
    enough: Callable[[], bool] | None,
    process: subprocess.Popen[bytes],
    within_s: float,
) -> tuple[bool, bool]:
    """Whether the process ended by itself, and whether it had given enough before."""
    if enough is None:
        return _ends(process, within_s), False
    limit = time.monotonic() + within_s
    while (left_s := limit - time.monotonic()) > 0:
        if _ends(process, min(POLL_S, left_s)):
            return True, False
        if enough():
            return False, True
    return False, False


def _ends(process: subprocess.Popen[bytes], within_s: float) -> bool:
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def kill_marked(mark: str) -> None:
    """Kill every process whose environment holds ``NAME=value``."""
    _send(signal.SIGKILL, mark)


def _send(number: signal.Signals, *wanted: str) -> None:
    for pid in _processes_with(*wanted):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _processes_with(*wanted: str) -> list[int]:
    """Processes, other than this one, whose environment begins lines like these."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or is somebody else's
            continue
        texts = [variable.decode(errors="replace") for variable in variables]
        held = [any(_is(text, one) for text in texts) for one in wanted]
        if all(held) and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def _is(variable: str, wanted: str) -> bool:
    """Whether it is this ``NAME=value``, or has this name if that is all."""
    return variable == wanted or variable.startswith(f"{wanted}=")


def ending(exit_status: int) -> str:
    """An exit status in words; a negative one is the signal that ended the process."""
    if exit_status < 0:
        return signal.Signals(-exit_status).name
    return f"exit status {exit_status}"


def last_line(file: Path) -> str:
    """The last line of a file that says something; a progress bar is many lines."""
    if not file.exists():
        return ""
    text = file.read_text(encoding="utf-8", errors="replace")
    lines = [" ".join(line.split()) for line in re.split(r"[\r\n]", text)]
    return next((line for line in reversed(lines) if line), "")[:SHOWN_CHARACTERS]
