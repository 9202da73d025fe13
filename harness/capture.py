"""Captures counters of many points: one ncu process for all, then the missing alone."""

import json
import shlex
import sys
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from dsprof.harness.capture_worker import (
    CapturePlan,
    Entry,
    Event,
    read_journal,
)
from dsprof.harness.captures import Gap
from dsprof.harness.counters import Counters
from dsprof.harness.errors import ProfileError
from dsprof.harness.ncu import NcuOptions, NcuRun, ncu_command, run_ncu
from dsprof.harness.ncu_errors import NcuError, diagnose
from dsprof.harness.plain import to_plain
from dsprof.harness.records import Point, Status
from dsprof.harness.worker_process import START_TIMEOUT_S, worker_environment

WORKER_COMMAND = (sys.executable, "-P", "-m", "dsprof.harness.capture_worker")

Read: TypeAlias = Callable[[Path], Sequence[Counters]]
"""Reads a report's launches, each with the label of the range that it lay in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureRequest:
    """Which points to count, what of them, and where reports and logs are kept.

    ``timeout_s`` is how long one point may take, all its replays included.
    """

    points: Sequence[Point]
    metrics: Sequence[str]
    options: NcuOptions
    folder: Path
    name: str  # of the files in it
    timeout_s: float
    ncu: str = "ncu"
    worker_command: Sequence[str] = WORKER_COMMAND

    def command(self, attempt: int) -> list[str]:
        """The ncu command line of the first, second, ... process."""
        program = [
            *self.worker_command,
            str(self.path(attempt, ".plan.json")),
            str(self.path(attempt, ".journal.jsonl")),
        ]
        report = self.path(attempt, ".ncu-rep")
        return ncu_command(self.options, self.metrics, report, program, ncu=self.ncu)

    def path(self, attempt: int, suffix: str) -> Path:
        return self.folder / f"{self.name}-{attempt}{suffix}"


@dataclass(slots=True, kw_only=True)
class CaptureResult:
    """What came of a capture: launches, and a gap for every point without any."""

    command: str = ""
    counters: list[Counters] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    max_passes: int = 0
    warnings: list[str] = field(default_factory=list)
    error: NcuError | None = None  # that ended the whole capture


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Called while a capture goes on, so that nothing that is there gets lost."""

    point: Callable[[str], None] = lambda _label: None  # a point has begun
    counters: Callable[[Sequence[Counters]], None] = lambda _rows: None


def capture(
    request: CaptureRequest, read: Read, watch: Watch | None = None
) -> CaptureResult:
    """Count every point, or say why not.

    Points that a process left out go into the next one; a point that was under way
    when it ended, or that the report lacks, is tried once more alone.
    """
    watch = watch or Watch()
    request.folder.mkdir(parents=True, exist_ok=True)
    result = CaptureResult(command=_portable(request.command(1)))
    batches = deque([tuple(request.points)] if request.points else [])
    attempt = 0
    while batches and result.error is None:
        attempt += 1
        batch = batches.popleft()
        run, journal = _run(request, batch, attempt, watch)
        counters = _read(run, read, result)
        found = [row for row in counters if row.label in {p.label for p in batch}]
        result.counters += _numbered(found)
        watch.counters(_numbered(found))
        labels = {row.label for row in found}
        left = [point for point in batch if point.label not in labels]
        error = diagnose(run.log) if left else None
        if error is not None and error.whole:
            result.error = error
            left += [point for later in batches for point in later]
            result.gaps += [_gap(p, error.status, error.reason) for p in left]
        else:
            process = _Process(
                run=run, journal=journal, error=error, alone=len(batch) == 1
            )
            gaps, again = _sort_out(left, process)
            result.gaps += gaps
            batches += again
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class _Process:
    """How an ncu process ended, for the points that it gave nothing of."""

    run: NcuRun
    journal: Mapping[str, Entry]
    error: NcuError | None
    alone: bool  # it had one point only


def _run(
    request: CaptureRequest, batch: Sequence[Point], attempt: int, watch: Watch
) -> tuple[NcuRun, Mapping[str, Entry]]:
    plan = CapturePlan(points=tuple(batch), cache=request.options.cache)
    plan_path = request.path(attempt, ".plan.json")
    plan_path.write_text(json.dumps(to_plain(plan)), encoding="utf-8")
    journal_path = request.path(attempt, ".journal.jsonl")
    journal_path.write_text("", encoding="utf-8")
    report = request.path(attempt, ".ncu-rep")
    report.unlink(missing_ok=True)
    seen: set[str] = set()

    def progress() -> tuple[int, int | None]:
        text = journal_path.read_text(encoding="utf-8")
        journal = read_journal(text)
        for label in journal.keys() - seen:
            watch.point(label)
        seen.update(journal)
        pid = next((entry.pid for entry in journal.values()), None)
        return text.count("\n"), pid

    run = run_ncu(
        request.command(attempt),
        report,
        progress=progress,
        # Nothing is in the journal until torch and a kernel package are imported.
        timeout_s=lambda steps: request.timeout_s if steps else START_TIMEOUT_S,
        environment=worker_environment(),
    )
    journal = read_journal(journal_path.read_text(encoding="utf-8"))
    return run, journal


def _read(run: NcuRun, read: Read, result: CaptureResult) -> Sequence[Counters]:
    """Launches of the report; a report that cannot be read has none, and a warning."""
    result.max_passes = max((result.max_passes, *run.passes))
    if not run.report.exists():
        return ()
    try:
        counters = read(run.report)
    except ProfileError as error:
        result.warnings.append(str(error))
        return ()
    if len(run.passes) != len(counters):
        result.warnings.append(
            f"{run.report.name} holds {len(counters)} launches; ncu says that it "
            f"profiled {len(run.passes)}."
        )
    return counters


def _sort_out(
    left: Sequence[Point], process: _Process
) -> tuple[list[Gap], list[tuple[Point, ...]]]:
    """Give points without launches a gap or another batch."""
    gaps: list[Gap] = []
    alone: list[tuple[Point, ...]] = []
    rest: list[Point] = []
    for point in left:
        entry = process.journal.get(point.label)
        if entry is not None and entry.event is Event.FAILED:
            gaps.append(_gap(point, Status.FAILED, entry.reason))
        elif process.alone or not process.journal:
            gaps.append(_lost(point, process))
        elif entry is None:
            rest.append(point)
        else:
            alone.append((point,))
    return gaps, [*([tuple(rest)] if rest else []), *alone]


def _lost(point: Point, process: _Process) -> Gap:
    """The gap of a point that ncu gave nothing of, also when it was alone."""
    run, error = process.run, process.error
    if run.timed_out:
        reason = "no progress in time under ncu; the process was killed."
        return _gap(point, Status.TIMEOUT, reason)
    if error is not None:
        return _gap(point, error.status, error.reason)
    lines = [line.strip() for line in run.log.splitlines() if line.strip()]
    said = f": {lines[-1]}" if lines else "."
    reason = f"ncu ended with exit status {run.exit_status} and no launch{said}"
    return _gap(point, Status.FAILED, reason)


def _portable(command: Sequence[str]) -> str:
    """The command line as it reads on another machine: programs without folders."""
    programs = {command[0], sys.executable}
    words = (Path(word).name if word in programs else word for word in command)
    return shlex.join(words)


def _gap(point: Point, status: Status, reason: str) -> Gap:
    return Gap(label=point.label, status=status, reason=" ".join(reason.split()))


def _numbered(counters: Sequence[Counters]) -> list[Counters]:
    """Number the launches of each point in the order of the report."""
    seen: Counter[str] = Counter()
    numbered = []
    for row in counters:
        numbered.append(replace(row, launch=seen[row.label]))
        seen[row.label] += 1
    return numbered
