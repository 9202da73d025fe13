"""Runs a program under nsys and finds the SQLite file that it exports.

Nothing of the current folder is executed but the program: no `nsys stats`, which
imports report scripts that it finds there, and no nsys from a relative PATH entry.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsprof.harness.errors import DsprofError, EnvironmentLacksError
from dsprof.harness.program_run import ProgramRun, last_line, run_program

# Set in what nsys starts, not in nsys itself.
SESSION_VARIABLE = "NSYS_PROFILING_SESSION_ID"
# Else a range triggers nothing unless its text is registered; torch's is not.
REGISTER_ONLY = {"NSYS_NVTX_PROFILER_REGISTER_ONLY": "0"}
TRACE_OPTIONS = (
    "--trace=cuda,nvtx",
    # With CPU samples 20 s of Python wrote 2.5 GB.
    "--sample=none",
    "--cpuctxsw=none",
    # The default records a CUDA graph as a whole, without its kernels.
    "--cuda-graph-trace=node",
    "--export=sqlite",
    "--force-overwrite=true",
)
NAMES_ONLY = "--trace=nvtx"
GATE_OPTIONS = ("--capture-range=nvtx", "--capture-range-end=stop", "--nvtx-capture")
HELP_TIMEOUT_S = 60.0
WITHOUT_NSYS = "torch programs can be recorded without it: --timeline torch"


class RangeNeverBeganError(DsprofError):
    """The program ended well, and the range that was to be recorded never began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NsysRequest:
    """What to record, and where to: ``stem`` is the report's path without suffix.

    With ``gate``, the message of an NVTX range in any domain, nsys records from its
    first begin to its end and nothing else.
    """

    program: Sequence[str]
    stem: Path
    gate: str = ""
    limit_s: float
    nsys: str = "nsys"
    names_only: bool = False  # record the program's ranges and no GPU work

    @property
    def command(self) -> list[str]:
        gate = (*GATE_OPTIONS[:2], f"{GATE_OPTIONS[2]}={self.gate}@*")
        trace = (NAMES_ONLY, *TRACE_OPTIONS[1:]) if self.names_only else TRACE_OPTIONS
        return [
            self.nsys,
            "profile",
            *trace,
            *(gate if self.gate else ()),
            # nsys puts variables and numbers in place of %q{NAME}, %p and the like.
            f"--output={str(self.stem).replace('%', '%%')}",
            *self.program,
        ]

    def file(self, suffix: str) -> Path:
        return self.stem.with_name(self.stem.name + suffix)


def find_nsys(search_path: str | None = None) -> str:
    """Path of an nsys on PATH that knows every option used here.

    EnvironmentLacksError without one.
    """
    path = os.environ.get("PATH", "") if search_path is None else search_path
    folders = [entry for entry in path.split(os.pathsep) if Path(entry).is_absolute()]
    found = shutil.which("nsys", path=os.pathsep.join(folders) or os.devnull)
    if found is None:
        raise EnvironmentLacksError(
            "nsys is not on PATH. Install Nsight Systems and add its folder to PATH "
            "(one lies in Nsight Compute's folder, under host/target-linux-x64); "
            f"{WITHOUT_NSYS}."
        )
    _require_options(found)
    return found


def _require_options(nsys: str) -> None:
    """Refuse an nsys whose own help lacks an option: it would fail half way."""
    try:
        done = subprocess.run(
            [nsys, "profile", "--help"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=HELP_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EnvironmentLacksError(
            f"{nsys} does not run: {error}. Install Nsight Systems anew; "
            f"{WITHOUT_NSYS}."
        ) from error
    names = {option.partition("=")[0] for option in (*TRACE_OPTIONS, *GATE_OPTIONS)}
    known = set(re.findall(r"--[a-z][\w-]*", done.stdout))
    if done.returncode or not known:
        said = " ".join((done.stderr or done.stdout).split())[-300:]
        raise EnvironmentLacksError(
            f"{nsys} does not work: {said or 'it prints no help'}. Install Nsight "
            f"Systems anew, or the library that it lacks; {WITHOUT_NSYS}."
        )
    if absent := sorted(names - known):
        raise EnvironmentLacksError(
            f"{nsys} is too old: it does not know {', '.join(absent)}. Install a newer "
            f"Nsight Systems; {WITHOUT_NSYS}."
        )


def run_nsys(request: NsysRequest, environment: Mapping[str, str]) -> ProgramRun:
    """Run the program once under nsys, in the current folder."""
    request.stem.parent.mkdir(parents=True, exist_ok=True)
    return run_program(
        request.command,
        request.stem,
        limit_s=request.limit_s,
        environment={**environment, **REGISTER_ONLY},
        program_variable=SESSION_VARIABLE,
    )


def find_export(request: NsysRequest, run: ProgramRun) -> Path:
    """The SQLite file of a run; a DsprofError says why there is none."""
    exported = request.file(".sqlite")
    if exported.exists():
        return exported
    left = [request.file(suffix).exists() for suffix in (".nsys-rep", ".qdstrm")]
    if request.gate and not run.problem and not any(left):
        raise RangeNeverBeganError(f"Nothing was recorded: {_never(request)}")
    raise DsprofError(_why_none(request, run))


def _why_none(request: NsysRequest, run: ProgramRun) -> str:
    stream, report = request.file(".qdstrm"), request.file(".nsys-rep")
    if report.exists():
        return (
            f"nsys wrote {report} but did not export it ({_nsys_said(run)}). Export "
            f"it: nsys export --type sqlite {report}; then: dsprof import "
            f"{request.file('.sqlite')} -o DIR."
        )
    if stream.exists():
        return (
            f"nsys left its raw recording {stream} and could not make a report of it "
            f"({_nsys_said(run)}). Convert it with the QdstrmImporter of the same nsys "
            f"(QdstrmImporter -i {stream}), export that with nsys export --type "
            "sqlite, and read it with dsprof import."
        )
    if run.problem and request.gate:
        return f"{run.problem} Nothing was recorded: {_never(request)}"
    if run.problem:
        return f"{run.problem} nsys recorded nothing."
    return (
        f"nsys ended and left no report ({_nsys_said(run)}). What it wrote is in "
        f"{run.errors} and {run.output}."
    )


def _never(request: NsysRequest) -> str:
    return (
        f"no NVTX range '{request.gate}' began before that. To see which ranges the "
        "program has, record all of it: the same command without --range."
    )


def _nsys_said(run: ProgramRun) -> str:
    return last_line(run.errors) or last_line(run.output) or "it says nothing"
