"""Runs somebody's program under ncu for chosen kernels; says why one has nothing."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from dsprof.harness.captures import Gap
from dsprof.harness.counters import Counters
from dsprof.harness.errors import ProfileError
from dsprof.harness.ncu import CACHE_CONTROL, PROFILED
from dsprof.harness.ncu_errors import NcuError, diagnose
from dsprof.harness.ncu_selection import (
    KernelCoverage,
    Selection,
    Spell,
    function_filter,
    function_name,
    join_launches,
    kernel_coverage,
    name_filter,
    nvtx_options,
)
from dsprof.harness.program_run import ProgramRun, run_program
from dsprof.harness.records import Cache, Status

# Set in what ncu starts, not in ncu itself.
PROFILED_VARIABLE = "NV_COMPUTE_PROFILER_PERFWORKS_DIR"
# Of each configuration, where a first launch gave nothing.
RETRIED_LAUNCHES = 5
SHOWN_SIZES = 3
RETURNED = re.compile(r"The application returned an error code \((-?\d+)\)")
REFUSED = re.compile(r'Failed to (?:profile|prepare)[^"\n]*"([^"\n]+)"')

Read: TypeAlias = Callable[[Path], Sequence[Counters]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramCapture:
    """What to profile of which program. ``limit_s`` is for one run of it."""

    program: Sequence[str]
    selection: Selection
    metrics: Sequence[str]
    cache: Cache
    folder: Path
    name: str  # of the files in it
    limit_s: float
    ncu: str = "ncu"
    by_function: bool = False  # names of the timeline are not ncu's

    def command(self, selection: Selection, attempt: int = 1) -> list[str]:
        """The ncu command line: one launch of each kernel and launch configuration.

        A second attempt filters by function name alone, and takes more launches.
        """
        by_function = self.by_function or attempt > 1
        chosen = function_filter(selection) if by_function else name_filter(selection)
        launches = 1 if attempt == 1 else RETRIED_LAUNCHES
        return [
            self.ncu,
            # Else ncu takes options from a file in the current folder.
            *("--config-file", "off"),
            *("--target-processes", "all"),
            *("--replay-mode", "kernel"),
            *("--graph-profiling", "node"),
            *("--cache-control", CACHE_CONTROL[self.cache]),
            *("--clock-control", "none"),
            *("--rename-kernels", "no"),
            *("--kernel-name-base", "function" if by_function else "demangled"),
            *("--kernel-name", chosen),
            *nvtx_options(selection),
            *("--filter-mode", "per-launch-config"),
            *("--launch-count", str(launches)),
            *("--metrics", ",".join(self.metrics)),
            *("--force-overwrite", "--export", str(self.report(attempt))),
            *self.program,
        ]

    def report(self, attempt: int) -> Path:
        return self.folder / f"{self.name}-{attempt}.ncu-rep"


@dataclass(slots=True, kw_only=True)
class ProgramCounters:
    """What came of a capture: launches, and a gap for every kernel without any."""

    command: str
    counters: list[Counters] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    coverage: tuple[KernelCoverage, ...] = ()
    max_passes: int = 0
    warnings: list[str] = field(default_factory=list)
    error: NcuError | None = None  # that ended the whole capture


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """One run under ncu, for the kernels that it gave nothing of."""

    run: ProgramRun
    log: str
    strangers: Mapping[str, frozenset[object]]


def capture_program(
    request: ProgramCapture,
    read: Read,
    environment: Mapping[str, str],
    spell: Spell = str,
) -> ProgramCounters:
    """Profile the selection; kernels without a launch get one more run."""
    selection = request.selection
    request.folder.mkdir(parents=True, exist_ok=True)
    result = ProgramCounters(command=shlex.join(request.command(selection)))
    result.gaps += [
        Gap(label=name, status=Status.UNSUPPORTED, reason=reason)
        for name, reason in selection.excluded.items()
    ]
    left = selection
    attempt = None
    for number in (1, 2):
        if not left.wanted:
            break
        attempt = _attempt(request, left, number, read, environment, spell, result)
        found = {row.kernel_name for row in result.counters}
        left = left.narrowed(set(left.wanted) - found)
        error = diagnose(attempt.log) if left.wanted else None
        if error is not None and error.whole:
            result.error = error
            break
        if attempt.run.timed_out:
            break
    if attempt is not None:
        result.gaps += [_gap(name, attempt, result.error) for name in left.wanted]
    result.coverage = kernel_coverage(selection, result.counters)
    return result


def _attempt(  # noqa: PLR0913, PLR0917 -- one run's own parts
    request: ProgramCapture,
    selection: Selection,
    number: int,
    read: Read,
    environment: Mapping[str, str],
    spell: Spell,
    result: ProgramCounters,
) -> _Attempt:
    report = request.report(number)
    report.unlink(missing_ok=True)
    run = run_program(
        request.command(selection, number),
        report.with_suffix(""),
        limit_s=request.limit_s,
        # Numbers in ncu's own output follow the locale.
        environment={**environment, "LC_ALL": "C"},
        program_variable=PROFILED_VARIABLE,
    )
    log = "".join(
        file.read_text(encoding="utf-8", errors="replace")
        for file in (run.output, run.errors)
    )
    passes = [int(count) for count in PROFILED.findall(log)]
    result.max_passes = max((result.max_passes, *passes))
    launches = _read(report, read, result)
    joined = join_launches(selection, launches, spell)
    result.counters += joined.counters
    if run.timed_out:
        result.warnings.append(
            f"Under ncu the program did not end in {run.limit_s:g} s and was stopped; "
            "the launches that were profiled until then are kept."
        )
    elif code := _program_status(log):
        result.warnings.append(
            f"Under ncu the program ended with exit status {code}; see {run.errors} "
            f"and {run.output}."
        )
    return _Attempt(run=run, log=log, strangers=joined.strangers)


def _program_status(log: str) -> str:
    found = RETURNED.search(log)
    return found[1] if found else ""


def _read(report: Path, read: Read, result: ProgramCounters) -> Sequence[Counters]:
    """Launches of the report; one that cannot be read has none, and a warning."""
    if not report.exists():
        return ()
    try:
        return read(report)
    except ProfileError as error:
        result.warnings.append(str(error))
        return ()


def _gap(name: str, attempt: _Attempt, error: NcuError | None) -> Gap:
    """The gap of a kernel that no run gave counters of."""
    status, reason = Status.FAILED, "it was not launched in the range under ncu."
    refused = set(REFUSED.findall(attempt.log))
    if error is not None:
        status, reason = error.status, error.reason
    elif name in refused or function_name(name) in refused:
        reason = "ncu could not profile it. Update Nsight Compute."
    elif strangers := attempt.strangers.get(name):
        shown = ", ".join(sorted(map(str, strangers))[:SHOWN_SIZES])
        reason = (
            "under ncu it was launched with other sizes than in the timeline (grid, "
            f"block): {shown}."
        )
    elif attempt.run.timed_out:
        status = Status.TIMEOUT
        reason = f"ncu had not come to it in {attempt.run.limit_s:g} s."
    elif code := _program_status(attempt.log):
        reason = f"under ncu the program ended with exit status {code} before it."
    elif attempt.run.exit_status:
        reason = f"ncu: {attempt.run.problem}"
    return Gap(label=name, status=status, reason=" ".join(reason.split()))
