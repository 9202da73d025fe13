"""Measures one point: binds the kernel, checks its output, then times it."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from dsprof.harness.binding import (
    Binder,
    Binding,
    first_line,
    prepare,
    synchronize,
    unloadable_reason,
    versioned,
)
from dsprof.harness.check import Comparison, compare
from dsprof.harness.errors import DsprofError
from dsprof.harness.graph_tracer import Tracer
from dsprof.harness.launch_span import LaunchSpan
from dsprof.harness.memory import memory_reason
from dsprof.harness.records import (
    Cache,
    Measurement,
    Point,
    Status,
    Sweep,
    Timing,
)
from dsprof.harness.samples import summarize
from dsprof.harness.tensors import DeviceTensors
from dsprof.harness.timing import Stopwatch
from dsprof.harness.traced_launches import median_spans
from dsprof.kernels.registry import load_kernel
from dsprof.kernels.spec import Kernel, Run, Tensors, Workload

NVTX_DOMAIN = "dsprof"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One point's measurement and its raw samples, times per call in microseconds.

    ``context_lost`` says that the GPU context is broken and the process must end.
    """

    measurement: Measurement
    samples_us: Mapping[Cache, tuple[float, ...]] = field(default_factory=dict)
    context_lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """The launches of a point's call; none of them, and the reason, if it failed."""

    label: str
    launches: tuple[LaunchSpan, ...] = ()
    reason: str = ""
    context_lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    """What a device's calls are observed with."""

    stopwatch: Stopwatch
    tracer: Tracer
    free_bytes: Callable[[], int]  # of the device's memory


class Bench:
    """Measures points of one sweep on one device, or traces those that were measured.

    ``device`` is torch's name for it. A kernel is bound once and kept.
    """

    def __init__(
        self,
        sweep: Sweep,
        *,
        device: str,
        compute_capability: tuple[int, int],
        instruments: Instruments,
        load: Callable[[str], Kernel] = load_kernel,
    ) -> None:
        self._sweep = sweep
        self._device = device
        self._compute_capability = compute_capability
        self._stopwatch = instruments.stopwatch
        self._tracer = instruments.tracer
        self._free_bytes = instruments.free_bytes
        self._load = load
        self._binder = Binder(device)
        self._reference_sm_clock_mhz = 0

    def missing_reason(self, name: str) -> str | None:
        """Why a kernel cannot be called here, or None if it can."""
        kernel = self._load(name)
        reason = kernel.capability_reason(self._compute_capability)
        if reason:
            return reason
        return unloadable_reason(kernel)

    def measure(self, point: Point) -> Outcome:
        """Check and time a point; whatever goes wrong is its status and reason."""
        kernel = self._load(point.kernel)
        work = kernel.workload(point)
        blank = outline(kernel, work, timer=self._sweep.timer)
        if reason := kernel.capability_reason(self._compute_capability):
            return _ended(with_cost(blank, kernel, work), Status.UNSUPPORTED, reason)
        binding = self._binder.bind(kernel, point.provider)
        if binding.provider is None:
            blank = with_cost(blank, kernel, work)
            return _ended(blank, Status.UNAVAILABLE, binding.reason)
        blank = replace(blank, provider=versioned(binding.provider))
        limit = kernel.limit_reason(work)
        # The memory comes before the cost: to count what so many tokens touch would
        # take the host long.
        if limit is None and (reason := self._memory_reason(kernel, work, binding)):
            return _ended(blank, Status.OUT_OF_LIMIT, reason)
        blank = with_cost(blank, kernel, work)
        if limit is not None:
            return _ended(blank, Status.OUT_OF_LIMIT, limit)
        try:
            return self._measure(kernel, work, binding, blank)
        except Exception as error:  # noqa: BLE001 -- a kernel may raise anything; it is this point's status
            reason = first_line(error)
            outcome = _ended(blank, Status.FAILED, reason)
            return replace(outcome, context_lost=not self._recover())

    def _memory_reason(
        self, kernel: Kernel, work: Workload, binding: Binding
    ) -> str | None:
        if binding.provider is None:
            return None
        return memory_reason(kernel, binding.provider, work, self._free_bytes())

    def trace(self, point: Point) -> Traced:
        """Trace the launches of a point that passed its check; its inputs are the same.

        Later timings of this process may be slower for it.
        """
        kernel = self._load(point.kernel)
        work = kernel.workload(point)
        try:
            args = kernel.make_inputs(work, DeviceTensors(self._device, point))
            run = prepare(self._binder.bind(kernel, point.provider), work, args)
            spans = [
                span
                for cache in self._sweep.caches
                for span in median_spans(
                    self._tracer.trace(run, cache, warmups=self._sweep.warmups),
                    label=point.label,
                    cache=cache,
                )
            ]
        except DsprofError as error:
            return Traced(label=point.label, reason=str(error))
        except Exception as error:  # noqa: BLE001 -- a kernel may raise anything; it is this point's reason
            return Traced(
                label=point.label,
                reason=first_line(error),
                context_lost=not self._recover(),
            )
        return Traced(label=point.label, launches=tuple(spans))

    def _measure(
        self, kernel: Kernel, work: Workload, binding: Binding, blank: Measurement
    ) -> Outcome:
        import nvtx

        # A start/end range, because push/pop ranges miss what other threads launch.
        label = work.point.label
        nvtx_range = nvtx.start_range(message=label, domain=NVTX_DOMAIN)
        try:
            args = kernel.make_inputs(work, DeviceTensors(self._device, work.point))
            run = prepare(binding, work, args)
            comparison = self._check(kernel, work, args, run)
            blank = replace(blank, error=comparison.error, error_limit=comparison.limit)
            if not comparison.passed:
                reason = _off_by(comparison)
                return _ended(blank, Status.INCORRECT, reason)
            return self._time(run, blank)
        finally:
            nvtx.end_range(nvtx_range)

    def _check(
        self, kernel: Kernel, work: Workload, args: Tensors, run: Run
    ) -> Comparison:
        """Compare the outputs of one call on fresh arguments with the reference's.

        The reference comes first: an in-place kernel overwrites its arguments.
        """
        import torch

        expected = kernel.reference(work, args)
        # In this mode torch fills what is allocated without a value with NaN or the
        # greatest integer: outputs that the kernel allocates are poisoned as well.
        torch.use_deterministic_algorithms(True, warn_only=True)  # noqa: FBT003 -- torch's own signature
        try:
            got = run()
            synchronize(self._device)
        finally:
            torch.use_deterministic_algorithms(False)  # noqa: FBT003
        return compare(kernel, work, args, got, expected)

    def _time(self, run: Run, blank: Measurement) -> Outcome:
        timings: dict[Cache, Timing] = {}
        samples_us: dict[Cache, tuple[float, ...]] = {}
        stopwatches = {
            Cache.WARM: self._stopwatch.warm,
            Cache.COLD: self._stopwatch.cold,
        }
        for cache in self._sweep.caches:
            samples, clocks = stopwatches[cache](
                run,
                warmups=1 if timings else self._sweep.warmups,  # once a point
                replays=self._sweep.replays,
            )
            self._reference_sm_clock_mhz = max(
                self._reference_sm_clock_mhz, clocks.sm_clock_mhz
            )
            timings[cache] = summarize(samples, clocks, self._reference_sm_clock_mhz)
            samples_us[cache] = samples.times_us
        measurement = replace(
            blank,
            status=Status.OK,
            warm=timings.get(Cache.WARM),
            cold=timings.get(Cache.COLD),
        )
        return Outcome(measurement=measurement, samples_us=samples_us)

    def _recover(self) -> bool:
        """Give freed memory back; False if the GPU context is lost."""
        import torch

        with suppress(RuntimeError):
            synchronize(self._device)
            if self._device == "cuda":
                torch.cuda.empty_cache()
            return True
        return False


def describe(kernel: Kernel, work: Workload, *, timer: str) -> Measurement:
    """Everything about a point that is known before it runs."""
    return with_cost(outline(kernel, work, timer=timer), kernel, work)


def outline(kernel: Kernel, work: Workload, *, timer: str) -> Measurement:
    """What is known of a point without a count of its work."""
    m, n, k = kernel.shape(work)
    return Measurement(
        point=work.point,
        status=Status.FAILED,
        source=kernel.source,
        category=kernel.category,
        dtype=kernel.op(work.point.op).dtype or kernel.dtype,
        m=m,
        n=n,
        k=k,
        timer=timer,
    )


def with_cost(blank: Measurement, kernel: Kernel, work: Workload) -> Measurement:
    """The row with the analytic work of its point."""
    cost = kernel.cost(work)
    return replace(
        blank,
        flops=cost.flops,
        bytes_read=cost.bytes_read,
        bytes_written=cost.bytes_written,
        distinct_experts=(
            kernel.distinct_experts(work) if kernel.distinct_experts else None
        ),
    )


def _ended(blank: Measurement, status: Status, reason: str) -> Outcome:
    return Outcome(measurement=replace(blank, status=status, reason=reason))


def _off_by(comparison: Comparison) -> str:
    if comparison.problem:
        return f"{comparison.output}: {comparison.problem}."
    return (
        f"{comparison.output} is off by {comparison.error:.1e}; "
        f"its limit is {comparison.limit:.0e}."
    )
