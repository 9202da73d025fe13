"""Runs a command under ncu: builds its line, watches it, ends it where it hangs."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsprof.harness.bench import NVTX_DOMAIN
from dsprof.harness.errors import EnvironmentLacksError
from dsprof.harness.records import Cache

POLL_S = 0.1
# After its program was killed, ncu writes the launches that it has counted so far.
FINISH_S = 60.0
CACHE_CONTROL = {Cache.COLD: "all", Cache.WARM: "none"}
SECTIONS = (
    "SpeedOfLight",
    "SpeedOfLight_HierarchicalTensorRooflineChart",
    "MemoryWorkloadAnalysis",
    "Occupancy",
)
PROFILED = re.compile(r"^==PROF== Profiling .* - (\d+) pass", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NcuOptions:
    """What to collect beside the default metrics."""

    cache: Cache
    full: bool = False  # every section: `--set full`
    sections: bool = False  # SECTIONS, for reading in ncu-ui


@dataclass(frozen=True, slots=True, kw_only=True)
class NcuRun:
    """How an ncu process ended. ``report`` may lack launches, or be missing."""

    report: Path
    log: str
    exit_status: int
    timed_out: bool

    @property
    def passes(self) -> tuple[int, ...]:
        """Replays of each launch that ncu says it profiled."""
        return tuple(int(count) for count in PROFILED.findall(self.log))


def find_ncu() -> str:
    """Path of the ncu on PATH; EnvironmentLacksError without one."""
    found = shutil.which("ncu")
    if found is None:
        raise EnvironmentLacksError(
            "ncu is not on PATH. Install Nsight Compute and add its folder, for "
            "example /usr/local/cuda/bin, to PATH."
        )
    return found


def ncu_command(
    options: NcuOptions,
    metrics: Sequence[str],
    report: Path,
    program: Sequence[str],
    *,
    ncu: str = "ncu",
) -> list[str]:
    """The command line that captures dsprof's ranges of a program into a report.

    Clocks are left alone: locked to base they would make every time unlike the
    deployment's. Names are kept whole, because they are what nsys prints as well.
    """
    return [
        ncu,
        *("--target-processes", "all"),
        *("--replay-mode", "kernel"),
        *("--cache-control", CACHE_CONTROL[options.cache]),
        *("--clock-control", "none"),
        *("--nvtx", "--nvtx-include", f"regex:{NVTX_DOMAIN}@.+"),
        *("--rename-kernels", "no"),
        *("--kernel-name-base", "demangled"),
        *(("--set", "full") if options.full else ()),
        *(
            part
            for section in (SECTIONS if options.sections else ())
            for part in ("--section", section)
        ),
        *("--metrics", ",".join(metrics)),
        *("--force-overwrite", "--export", str(report)),
        *program,
    ]


def run_ncu(
    command: Sequence[str],
    report: Path,
    *,
    progress: Callable[[], tuple[int, int | None]],
    timeout_s: Callable[[int], float],
    environment: dict[str, str],
) -> NcuRun:
    """Run the command until it ends, or until a step takes too long.

    ``progress`` gives how many steps the program has made, which ``timeout_s`` turns
    into the time that the next one may take, and the process to end where it takes
    longer. That one goes first, so that ncu still writes what it has; then the whole
    process group.
    """
    log_path = report.with_suffix(".log")
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Numbers in ncu's own output follow the locale.
            env={**environment, "LC_ALL": "C"},
        )
        try:
            timed_out = not _finishes(process, progress, timeout_s)
            if timed_out:
                _end(process, progress()[1])
        finally:
            _kill_group(process)
    return NcuRun(
        report=report,
        log=log_path.read_text(encoding="utf-8", errors="replace"),
        exit_status=process.returncode,
        timed_out=timed_out,
    )


def _finishes(
    process: subprocess.Popen[bytes],
    progress: Callable[[], tuple[int, int | None]],
    timeout_s: Callable[[int], float],
) -> bool:
    """Wait for the process; False once ``progress`` has stood still for too long."""
    last, since_s = progress()[0], time.monotonic()
    while process.poll() is None:
        time.sleep(POLL_S)
        now = progress()[0]
        if now != last:
            last, since_s = now, time.monotonic()
        elif time.monotonic() - since_s > timeout_s(last):
            return False
    return True


def _end(process: subprocess.Popen[bytes], program_pid: int | None) -> None:
    if program_pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(program_pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(FINISH_S)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
