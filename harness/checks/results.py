"""Whether a wrong result would be seen, and whether the kernel's own is right."""

from dsprof.harness.binding import load_providers, prepare
from dsprof.harness.check import compare
from dsprof.harness.checks.faults import (
    arguments_swapped,
    damaged_outputs,
    equal,
    experts_dropped,
)
from dsprof.harness.checks.result import Outcome, failed, passed, skipped, verdict
from dsprof.harness.checks.subject import Solved, Subject
from dsprof.harness.records import Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels.spec import Kernel, Tensors


def check_reference(subject: Subject) -> tuple[Outcome, str]:
    """The comparison accepts the reference's own outputs, and no planted fault.

    What changes nothing that is compared is no fault; what the reference refuses is
    seen.
    """
    problems: list[str] = []
    planted = 0
    for solved in subject.solved():
        if not _accepts(subject.kernel, solved, solved.expected):
            problems.append(f"{solved.op}: its own outputs do not pass")
        faults = [
            *damaged_outputs(solved),
            *arguments_swapped(subject.kernel, solved),
            *experts_dropped(subject.kernel, solved),
        ]
        for fault, changes in faults:
            if changes is None:
                planted += 1
                continue
            got = solved.expected | changes
            if not _matters(subject.kernel, solved, got):
                continue
            planted += 1
            if _accepts(subject.kernel, solved, got):
                problems.append(f"{solved.op}: passes with {fault}")
    return verdict(problems, f"{planted} planted faults are seen")


def _accepts(kernel: Kernel, solved: Solved, got: Tensors) -> bool:
    return compare(kernel, solved.work, solved.args, got, solved.expected).passed


def _matters(kernel: Kernel, solved: Solved, got: Tensors) -> bool:
    """True if the change is one of the result, not of an order that is left free."""
    canonical = kernel.canonical
    if canonical is None:
        return not equal(got, solved.expected)
    return not equal(
        canonical(solved.work, solved.args, got),
        canonical(solved.work, solved.args, solved.expected),
    )


def check_output(subject: Subject) -> tuple[Outcome, str]:
    """On a GPU: the kernel's output against the reference, at few tokens and many."""
    import torch

    kernel = subject.kernel
    if not torch.cuda.is_available():
        return skipped("no CUDA device")
    if reason := kernel.capability_reason(torch.cuda.get_device_capability()):
        return skipped(reason)
    loaded, failures = load_providers(kernel, kernel.providers)
    if not loaded:
        return skipped("; ".join(failures))
    points = dict.fromkeys([*subject.small_points(), subject.default_points()[0]])
    errors: list[str] = []
    checked = 0
    for point in points:
        work = kernel.workload(point)
        if kernel.limit_reason(work):
            continue
        args = kernel.make_inputs(work, DeviceTensors("cuda", point))
        expected = kernel.reference(work, args)
        got = prepare(loaded[0], work, args)()
        torch.cuda.synchronize()
        comparison = compare(kernel, work, args, got, expected)
        checked += 1
        if not comparison.passed:
            errors.append(_off_by(point, comparison.output, comparison.error))
    return failed("; ".join(errors)) if errors else passed(f"{checked} points")


def _off_by(point: Point, output: str, error: float) -> str:
    return f"{point.label}: {output} is off by {error:.1e}"
