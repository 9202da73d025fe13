"""Runs somebody's program under ncu for chosen kernels; says why one has nothing."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from dsprof.harness.ncu_watch import Idle
from dsprof.harness.program_run import ProgramRun, run_program
from dsprof.harness.records import Cache, Status

# Set in what ncu starts, not in ncu itself.
PROFILED_VARIABLE = "NV_COMPUTE_PROFILER_PERFWORKS_DIR"
# Of each configuration, where a first launch gave nothing.
RETRIED_LAUNCHES = 5
# Of a kernel's time: with less of it in the configurations profiled, it is tried again.
COVERED = 0.9
SHOWN_SIZES = 3
RETURNED = re.compile(r"The application returned an error code \((-?\d+)\)")
REFUSED = re.compile(r'Failed to (?:profile|prepare)[^"\n]*"([^"\n]+)"')

Read: TypeAlias = Callable[[Path], Sequence[Counters]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramCapture:
    """What to profile of which program.

    ``limit_s`` is for one run of it. A run also ends when ncu has begun no launch for
    ``idle_s``; 0 lets the program come to its end.
    """

    program: Sequence[str]
    selection: Selection
    metrics: Sequence[str]
    cache: Cache
    folder: Path
    name: str  # of the files in it
    limit_s: float
    idle_s: float = 0.0
    ncu: str = "ncu"
    by_function: bool = False  # names of the timeline are not ncu's

    def command(
        self, selection: Selection, run: int = 1, *, again: bool = False
    ) -> list[str]:
        """The ncu command line: one launch of each kernel and launch configuration.

        ``again`` filters by function name alone, and takes more launches.
        """
        by_function = self.by_function or again
        chosen = function_filter(selection) if by_function else name_filter(selection)
        launches = RETRIED_LAUNCHES if again else 1
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
            *("--force-overwrite", "--export", str(self.report(run))),
            *self.program,
        ]

    def report(self, run: int) -> Path:
        return self.folder / f"{self.name}-{run}.ncu-rep"


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
    """One run under ncu: what it gave, and for the kernels that it gave nothing of."""

    run: ProgramRun
    log: str
    launches: tuple[Counters, ...]
    strangers: Mapping[str, frozenset[object]] = field(default_factory=dict)


def capture_program(
    request: ProgramCapture,
    read: Read,
    environment: Mapping[str, str],
    spell: Spell = str,
) -> ProgramCounters:
    """Profile the selection; kernels that lack launches get one more run."""
    selection = request.selection
    request.folder.mkdir(parents=True, exist_ok=True)
    result = ProgramCounters(command=shlex.join(request.command(selection)))
    result.gaps += [
        Gap(label=name, status=Status.UNSUPPORTED, reason=reason)
        for name, reason in selection.excluded.items()
    ]
    attempts = _attempts(request, read, environment, spell, result)
    absent = _absent(selection, result)
    result.gaps += [
        _gap(name, attempts[name], result.error) for name in absent if name in attempts
    ]
    result.coverage = kernel_coverage(selection, result.counters)
    return result


def _attempts(
    request: ProgramCapture,
    read: Read,
    environment: Mapping[str, str],
    spell: Spell,
    result: ProgramCounters,
) -> dict[str, _Attempt]:
    """Run all parts of the selection, and once more what lacks launches.

    Returns the last run that each kernel was asked for in.
    """
    last: dict[str, _Attempt] = {}
    runs = 0
    for again in (False, True):
        lacking = _lacking(request.selection, result)
        for group in request.selection.narrowed(lacking).by_loading():
            # ncu may have brought some of it with the group before.
            part = group.narrowed(_lacking(request.selection, result))
            if not part.wanted:
                continue
            runs += 1
            command = request.command(part, runs, again=again)
            report = request.report(runs)
            attempt = _attempt(request, command, report, read, environment, result)
            joined = join_launches(request.selection, attempt.launches, spell)
            result.counters += _new(joined.counters, result.counters)
            attempt = replace(attempt, strangers=joined.strangers)
            last |= dict.fromkeys(part.wanted, attempt)
            absent = set(_absent(request.selection, result))
            error = diagnose(attempt.log) if absent & set(part.wanted) else None
            if error is not None and error.whole:
                result.error = error
                return last
            if attempt.run.timed_out:
                return last
    return last


def _absent(selection: Selection, result: ProgramCounters) -> list[str]:
    """Wanted kernels without a launch."""
    found = {row.kernel_name for row in result.counters}
    return [name for name in selection.wanted if name not in found]


def _lacking(selection: Selection, result: ProgramCounters) -> list[str]:
    """Wanted kernels most of whose time no profiled configuration stands for."""
    return [
        row.kernel_name
        for row in kernel_coverage(selection, result.counters)
        if row.profiled_ns < COVERED * row.total_ns or not row.profiled
    ]


def _new(rows: Sequence[Counters], known: Sequence[Counters]) -> list[Counters]:
    """Rows of configurations that are not yet known."""
    have = {_configuration(row) for row in known}
    return [row for row in rows if _configuration(row) not in have]


def _configuration(row: Counters) -> tuple[object, ...]:
    return row.kernel_name, row.grid, row.block, row.shared_memory_dynamic_bytes


def _attempt(  # noqa: PLR0913, PLR0917 -- one run's own parts
    request: ProgramCapture,
    command: Sequence[str],
    report: Path,
    read: Read,
    environment: Mapping[str, str],
    result: ProgramCounters,
) -> _Attempt:
    report.unlink(missing_ok=True)
    stem = report.with_suffix("")
    idle = Idle(stem.with_suffix(".out"), request.idle_s) if request.idle_s else None
    run = run_program(
        command,
        stem,
        limit_s=request.limit_s,
        # Numbers in ncu's own output follow the locale.
        environment={**environment, "LC_ALL": "C"},
        program_variable=PROFILED_VARIABLE,
        enough=idle,
    )
    log = "".join(
        file.read_text(encoding="utf-8", errors="replace")
        for file in (run.output, run.errors)
    )
    passes = [int(count) for count in PROFILED.findall(log)]
    result.max_passes = max((result.max_passes, *passes))
    if run.timed_out:
        result.warnings.append(
            f"Under ncu the program did not end in {run.limit_s:g} s and was stopped; "
            "the launches that were profiled until then are kept."
        )
    elif not run.enough and (code := _program_status(log)):
        result.warnings.append(
            f"Under ncu the program ended with exit status {code}; see {run.errors} "
            f"and {run.output}."
        )
    launches = tuple(_read(report, read, result))
    return _Attempt(run=run, log=log, launches=launches)


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
    elif attempt.run.enough:
        reason = (
            "no launch of it had come when ncu had found nothing new for "
            "as long as --idle says. Take more, or 0 for the whole program."
        )
    elif attempt.run.timed_out:
        status = Status.TIMEOUT
        reason = f"ncu had not come to it in {attempt.run.limit_s:g} s."
    elif code := _program_status(attempt.log):
        reason = f"under ncu the program ended with exit status {code} before it."
    elif attempt.run.exit_status:
        reason = f"ncu: {attempt.run.problem}"
    return Gap(label=name, status=status, reason=" ".join(reason.split()))
