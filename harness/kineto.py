"""Runs a Python program under torch.profiler, where there is no nsys."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsprof.harness.errors import DsprofError, UsageError
from dsprof.harness.program_run import ProgramRun, last_line, run_program

RUNNER = Path(__file__).with_name("kineto_program.py")
# Options of the interpreter that take a word of their own.
_WITH_VALUE = frozenset({"-X", "-W", "--check-hash-based-pycs"})
_SAFE_PATH = frozenset({"-P", "-I"})
_SCRIPT_HEAD_BYTES = 256
TORCH_VARIABLE = "DSPROF_TORCH_PROFILER"


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonCommand:
    """A Python program's command line in its parts."""

    interpreter: tuple[str, ...]  # with its own options
    program: tuple[str, ...]  # script, or -m module, or -c code, and arguments
    safe_path: bool  # the interpreter keeps the program's folder off sys.path


@dataclass(frozen=True, slots=True, kw_only=True)
class KinetoRequest:
    """What to record from the first of ``ranges`` on; all of it if there are none."""

    program: Sequence[str]
    trace: Path
    ranges: Sequence[str] = ()
    limit_s: float

    @property
    def command(self) -> list[str]:
        parts = split_python(self.program)
        return [
            *parts.interpreter,
            *(() if parts.safe_path else ("-P",)),
            str(RUNNER),
            str(self.trace),
            *(f"--range={name}" for name in self.ranges),
            *(("--safe-path",) if parts.safe_path else ()),
            "--",
            *parts.program,
        ]


def split_python(program: Sequence[str]) -> PythonCommand:
    """Take a command line apart; a UsageError where it does not start Python."""
    first, *rest = program
    if not Path(first).name.startswith("python"):
        script = shutil.which(first)
        interpreter = _interpreter(Path(script)) if script else ""
        if script is None or not interpreter:
            raise UsageError(
                f"--timeline torch runs Python programs alone, and {first} is none. "
                "Begin the command with python3, or install nsys."
            )
        return PythonCommand(
            interpreter=(interpreter,), program=(script, *rest), safe_path=False
        )
    options: list[str] = []
    while rest and rest[0].startswith("-") and rest[0] not in {"-m", "-c", "-"}:
        options.append(rest.pop(0))
        if options[-1] in _WITH_VALUE and rest:
            options.append(rest.pop(0))
    if not rest or rest[0] == "-" or (rest[0] in {"-m", "-c"} and not rest[1:]):
        raise UsageError(
            "--timeline torch needs a script, -m MODULE or -c CODE after the "
            "interpreter's own options."
        )
    return PythonCommand(
        interpreter=(first, *options),
        program=tuple(rest),
        safe_path=bool(_SAFE_PATH & set(options)),
    )


def _interpreter(script: Path) -> str:
    """The Python that a script's first line names; empty where it names none."""
    with script.open("rb") as file:
        head = file.read(_SCRIPT_HEAD_BYTES).split(b"\n")[0]
    if not head.startswith(b"#!"):
        return ""
    words = head[2:].decode(errors="replace").split()
    named = words[1:2] if words and Path(words[0]).name == "env" else words[:1]
    return next((word for word in named if Path(word).name.startswith("python")), "")


def run_kineto(request: KinetoRequest, environment: Mapping[str, str]) -> ProgramRun:
    """Run the program once under torch.profiler, in the current folder."""
    request.trace.parent.mkdir(parents=True, exist_ok=True)
    stem = request.trace.with_name(request.trace.name.partition(".")[0])
    return run_program(
        request.command,
        stem,
        limit_s=request.limit_s,
        environment={**environment, TORCH_VARIABLE: "1"},
        program_variable=TORCH_VARIABLE,
    )


def find_trace(request: KinetoRequest, run: ProgramRun) -> Path:
    """The trace of a run; a DsprofError says why there is none."""
    if request.trace.exists():
        return request.trace
    said = run.problem or last_line(run.errors)
    raise DsprofError(
        f"torch.profiler wrote no trace. {said} What the program wrote is in "
        f"{run.errors} and {run.output}."
    )
