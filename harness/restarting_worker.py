"""A worker for many points that is started anew after one has ended it."""

from collections.abc import Sequence
from dataclasses import replace

from dsprof.harness.bench import Outcome, Traced, describe
from dsprof.harness.records import Point, Status, Sweep
from dsprof.harness.worker import Greeting
from dsprof.harness.worker_process import (
    WorkerDiedError,
    WorkerProcess,
    WorkerTimeoutError,
)
from dsprof.kernels.spec import Kernel


class RestartingWorker:
    """A worker process, and its successors."""

    def __init__(
        self, sweep: Sweep, kernels: Sequence[Kernel], command: Sequence[str]
    ) -> None:
        self._sweep = sweep
        self._kernels = {kernel.name: kernel for kernel in kernels}
        self._command = command
        self._process: WorkerProcess | None = WorkerProcess(sweep, command)
        self.greeting: Greeting = self._process.greeting

    def measure(self, point: Point) -> Outcome:
        """Measure a point; how its worker ended is the status if it did."""
        try:
            outcome = self._running().ask(point, self._sweep.timeout_s)
        except WorkerDiedError as error:
            outcome = self._lost(point, Status.FAILED, str(error))
        except WorkerTimeoutError:
            outcome = self._lost(point, Status.TIMEOUT, self._too_late())
        if outcome.context_lost:
            self.close()
        return outcome

    def trace(self, point: Point) -> Traced:
        """Trace a point; how its worker ended is the reason if it did."""
        try:
            traced = self._running().ask_launches(point, self._sweep.timeout_s)
        except WorkerDiedError as error:
            traced = Traced(label=point.label, reason=str(error), context_lost=True)
        except WorkerTimeoutError:
            reason = self._too_late()
            traced = Traced(label=point.label, reason=reason, context_lost=True)
        if traced.context_lost:
            self.close()
        return traced

    def close(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def _running(self) -> WorkerProcess:
        if self._process is None:
            self._process = WorkerProcess(self._sweep, self._command)
        return self._process

    def _too_late(self) -> str:
        return f"no answer in {self._sweep.timeout_s:g} s; the worker was killed."

    def _lost(self, point: Point, status: Status, reason: str) -> Outcome:
        kernel = self._kernels[point.kernel]
        blank = describe(kernel, kernel.workload(point), timer=self._sweep.timer)
        measurement = replace(blank, status=status, reason=reason)
        return Outcome(measurement=measurement, context_lost=True)
