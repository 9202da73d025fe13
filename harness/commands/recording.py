"""One recording of a program, by nsys or torch.profiler, read and made a timeline."""

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from dsprof.analysis.capture_report import read_capture
from dsprof.analysis.kineto import read_kineto
from dsprof.analysis.name_normal import normalize
from dsprof.analysis.nsys_sqlite import range_names, read_nsys_sqlite
from dsprof.harness.captures import Capture
from dsprof.harness.commands.apart import read_apart
from dsprof.harness.counters import Counters
from dsprof.harness.errors import DsprofError, ProfileError
from dsprof.harness.kineto import (
    KinetoRequest,
    find_trace,
    run_kineto,
    split_python,
)
from dsprof.harness.ncu_program import (
    ProgramCapture,
    ProgramCounters,
    capture_program,
)
from dsprof.harness.nsys import (
    REGISTER_ONLY,
    NsysRequest,
    RangeNeverBeganError,
    find_export,
    find_nsys,
    run_nsys,
)
from dsprof.harness.program_about import read_about
from dsprof.harness.program_run import ProgramRun
from dsprof.harness.records import Cache
from dsprof.harness.store import ProfileWriter
from dsprof.harness.timeline import WHOLE, Timeline, TimelineTool
from dsprof.harness.versions import UNKNOWN, package_version, tool_version

SHOWN_RANGES = 20
SEGMENTATION_FAULTS = (-11, 139)  # as a process and as a shell report it


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A timeline, and what went wrong while it was recorded, if anything did."""

    timeline: Timeline
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What to record with what, and where to."""

    program: tuple[str, ...]
    tool: TimelineTool
    ranges: tuple[str, ...]
    every: bool
    limit_s: float
    output: Path
    stamp: str
    quiet: bool

    @classmethod
    def of(
        cls, program: tuple[str, ...], options: dict[str, Any], output: Path
    ) -> "Recording":
        """As the command's options say."""
        return cls(
            program=program,
            tool=TimelineTool(options["tool"]),
            ranges=tuple(options["ranges"]),
            every=options["every"],
            limit_s=options["timeout_s"],
            output=output,
            stamp=f"{datetime.now(UTC):%Y%m%dT%H%M%S}",
            quiet=options["as_json"],
        )

    @property
    def gate(self) -> str:
        """The range that nsys records alone: a single one, in whatever domain.

        A name with an @ may mean a domain or not, so nsys cannot be told.
        """
        single = len(self.ranges) == 1 and not self.every
        return self.ranges[0] if single and "@" not in self.ranges[0] else ""

    @property
    def nsys_request(self) -> NsysRequest:
        return NsysRequest(
            program=self.program,
            stem=self.output / "nsys" / self.stamp,
            gate=self.gate,
            limit_s=self.limit_s,
        )

    @property
    def kineto_request(self) -> KinetoRequest:
        return KinetoRequest(
            program=self.program,
            trace=self.output / "nsys" / f"{self.stamp}.kineto.json.gz",
            ranges=self.ranges,
            limit_s=self.limit_s,
        )

    def require_tool(self) -> None:
        """Raise before anything is written where the tool cannot record this."""
        if self.tool is TimelineTool.NSYS:
            find_nsys()
        else:
            split_python(self.program)

    def shown_command(self) -> str:
        if self.tool is TimelineTool.TORCH:
            return shlex.join(self.kineto_request.command)
        ((name, value),) = REGISTER_ONLY.items()
        return f"{name}={value} {shlex.join(self.nsys_request.command)}"

    def say(self, what: str) -> None:
        if not self.quiet:
            click.echo(what, err=True)

    def record(self) -> Recorded:
        """Run the program and read its timeline; DsprofError where there is none."""
        self.say(f"{self.tool}: {shlex.join(self.program)}")
        if self.tool is TimelineTool.TORCH:
            asked = self.kineto_request
            run = run_kineto(asked, os.environ)
            read = partial(read_kineto, find_trace(asked, run), ranges=self.ranges)
        else:
            request = replace(self.nsys_request, nsys=find_nsys())
            run = run_nsys(request, os.environ)
            export = self._export(request, run)
            read = partial(read_gated, export, self.ranges, self.gate)
        return self._read(read, run)

    def _export(self, request: NsysRequest, run: ProgramRun) -> Path:
        """The file of a run; where its range never began, say which ranges did."""
        try:
            return find_export(request, run)
        except RangeNeverBeganError as error:
            self.say(f"nsys: no range '{self.gate}'; once more for the names of ranges")
            names = self._names_of_ranges(request)
            if names is None:
                raise
            has = ", ".join(f"'{name}'" for name in names[:SHOWN_RANGES])
            raise DsprofError(
                f"Nothing was recorded: no NVTX range '{self.gate}' began while the "
                f"program ran. {f'It has: {has}.' if has else 'It has none at all.'} "
                "Name one of those with --range, or record all: without --range."
            ) from error

    def _names_of_ranges(self, request: NsysRequest) -> tuple[str, ...] | None:
        """The program's ranges, from one more run; None where that gives no file."""
        stem = request.stem.with_name(f"{request.stem.name}-ranges")
        asked = replace(request, gate="", names_only=True, stem=stem)
        run = run_nsys(asked, os.environ)
        try:
            return range_names(find_export(asked, run))
        except DsprofError:
            return None

    def _read(self, read: Callable[[], Timeline], run: ProgramRun) -> Recorded:
        try:
            timeline = read()
        except ProfileError as error:
            if run.problem:
                hint = self._hint(run)
                raise DsprofError(f"{run.problem} {error} {hint}".rstrip()) from error
            raise
        what = run.problem.partition(":")[0].partition(".")[0]
        notes = [what] if what else []
        if self.gate and self.tool is TimelineTool.NSYS:
            notes.append(
                f"only the first '{self.gate}' was recorded; --every counts them all"
            )
        first = Path(self.program[0]).name
        timeline = replace(
            timeline,
            tool_version=timeline.tool_version or self._version(),
            program=shlex.join([first, *self.program[1:]]),
            notes=(*timeline.notes, *notes),
            about=read_about(run.output),
        )
        problem = f"{run.problem} {self._hint(run)}".rstrip()
        return Recorded(timeline=timeline, problem=problem)

    def _hint(self, run: ProgramRun) -> str:
        """What is known of nsys where a program ends like this; seen with 2025.3.2."""
        if self.tool is not TimelineTool.NSYS:
            return ""
        if run.timed_out and not self.gate:
            return (
                "nsys writes down what a program did when it ends or when the one "
                "range that is recorded does: name that with --range."
            )
        if run.exit_status in SEGMENTATION_FAULTS:
            return (
                "nsys ends programs like this after some 240,000 kernels in CUDA "
                "graphs: let it do less, or launch its kernels without a graph."
            )
        return ""

    def _version(self) -> str:
        name = "nsys" if self.tool is TimelineTool.NSYS else "torch"
        found = tool_version(name) if name == "nsys" else package_version(name)
        return found or UNKNOWN


def read_gated(path: Path, ranges: Sequence[str], gate: str) -> Timeline:
    """The timeline of these ranges; a recording of one range may not name it.

    nsys begins to record with the very event that names the range.
    """
    try:
        return read_nsys_sqlite(path, ranges=ranges)
    except ProfileError:
        if not gate:
            raise
        whole = read_nsys_sqlite(path)
        if gate in whole.seen_ranges:
            raise
    return as_range(whole, gate)


def as_range(whole: Timeline, name: str) -> Timeline:
    """A whole recording as that of the one range that it was gated on."""
    total = next(time for time in whole.ranges if time.name == WHOLE)
    return replace(
        whole,
        range=name,
        ranges=(total, replace(total, name=name)),
        seen_ranges=(name, *whole.seen_ranges),
        kernels=tuple(replace(row, range=name) for row in whole.kernels),
    )


def count_recorded(request: ProgramCapture, writer: ProfileWriter) -> ProgramCounters:
    """Profile a selection; launches and what they lack are written at once."""
    started = datetime.now(UTC)
    read = partial(read_apart, partial(_read_foreign, cache=request.cache))
    spell = normalize if request.by_function else str
    result = capture_program(request, read, os.environ, spell)
    writer.add_counters(result.counters)
    record = Capture(
        cache=request.cache,
        command=result.command,
        ncu_version=tool_version("ncu") or UNKNOWN,
        started=started.isoformat(timespec="seconds"),
        wall_s=round((datetime.now(UTC) - started).total_seconds(), 1),
        points=len({row.kernel_name for row in result.counters}),
        launches=len(result.counters),
        max_passes=result.max_passes,
        gaps=tuple(result.gaps),
    )
    writer.update_header(captures=(*writer.profile.captures, record))
    return result


def _read_foreign(report: Path, *, cache: Cache) -> list[Counters]:
    """Launches of somebody's program: none is a point of dsprof's."""
    return [replace(row, label="") for row in read_capture(report, cache=cache)]
