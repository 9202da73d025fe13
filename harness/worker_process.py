"""The parent's end of a worker: starts it, asks it, and outlives it."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import dsprof
from dsprof.harness.bench import Outcome, Traced
from dsprof.harness.errors import EnvironmentLacksError
from dsprof.harness.plain import from_plain, to_plain
from dsprof.harness.records import Point, Sweep
from dsprof.harness.worker import Ask, Greeting

WORKER_COMMAND = (sys.executable, "-P", "-m", "dsprof.harness.worker")
# Importing torch and a kernel package takes 2 s warm, but a minute from a cold disk.
START_TIMEOUT_S = 300.0


class WorkerDiedError(Exception):
    """The worker ended without an answer; the message says how."""


class WorkerTimeoutError(Exception):
    """No answer came in time; the worker has been killed."""


class WorkerProcess:
    """A started worker. Leaving the block ends it and everything it started."""

    def __init__(self, sweep: Sweep, command: Sequence[str] = WORKER_COMMAND) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the worker
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            start_new_session=True,
            env=worker_environment(),
        )
        self._answers: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read_answers, daemon=True).start()
        try:
            self.greeting = self._greet(sweep)
        except BaseException:
            self.close()
            raise

    def ask(self, point: Point, timeout_s: float) -> Outcome:
        """Measure a point there; raises if the worker dies or takes too long."""
        return from_plain(Outcome, self._ask(Ask.MEASURE, point, timeout_s))

    def ask_launches(self, point: Point, timeout_s: float) -> Traced:
        """Trace a point there, after which no timing of it can be relied on."""
        return from_plain(Traced, self._ask(Ask.TRACE, point, timeout_s))

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(BrokenPipeError):
                _close(pipe)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _greet(self, sweep: Sweep) -> Greeting:
        try:
            self._send(to_plain(sweep))
            answer = self._receive(START_TIMEOUT_S)
        except WorkerDiedError as error:
            raise EnvironmentLacksError(
                f"The GPU worker did not start: {error}"
            ) from error
        except WorkerTimeoutError as error:
            raise EnvironmentLacksError(
                f"The GPU worker did not start in {START_TIMEOUT_S:.0f} s. "
                "See what hangs with: dsprof doctor."
            ) from error
        if "error" in answer:
            raise EnvironmentLacksError(answer["error"])
        return from_plain(Greeting, answer["greeting"])

    def _ask(self, ask: Ask, point: Point, timeout_s: float) -> Any:  # noqa: ANN401 -- JSON
        self._send({ask.value: to_plain(point)})
        return self._receive(timeout_s)["outcome"]

    def _send(self, message: object) -> None:
        assert self._process.stdin is not None  # noqa: S101 -- opened as a pipe
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerDiedError(self._obituary()) from None

    def _receive(self, timeout_s: float) -> Any:  # noqa: ANN401 -- JSON
        try:
            line = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            self.close()
            raise WorkerTimeoutError from None
        if line is None:
            raise WorkerDiedError(self._obituary())
        return json.loads(line)

    def _read_answers(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 -- opened as a pipe
        with contextlib.suppress(ValueError):  # closed while it was being read
            for line in self._process.stdout:
                self._answers.put(line)
        self._answers.put(None)

    def _obituary(self) -> str:
        """How the worker ended, and the last line it wrote to standard error."""
        code = self._process.wait()
        how = f"exit status {code}" if code >= 0 else signal.Signals(-code).name
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"worker ended with {how}{': ' if said else '.'}{said}"


def worker_environment() -> dict[str, str]:
    """Give the environment of this process, with its dsprof importable.

    ``-P`` keeps the current folder off the worker's path, so a dsprof that is not
    installed but run from its checkout has to be put on it by name.
    """
    root = str(Path(dsprof.__file__).parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([root, inherited] if inherited else [root])
    return {**os.environ, "PYTHONPATH": path}


def _close(pipe: IO[Any] | None) -> None:
    if pipe is not None:
        pipe.close()
