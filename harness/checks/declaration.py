"""Whether a kernel declares what the sweep and the comparison rely on."""

from collections import Counter

from dsprof.harness.checks.result import Outcome, verdict
from dsprof.harness.checks.subject import Subject
from dsprof.harness.records import Phase
from dsprof.harness.sweep import BATCH_SIZES, KV_LENS, PREFILL_BATCH_SIZES, SEQ_LENS


def check_declared(subject: Subject) -> tuple[Outcome, str]:
    """Ops have names of their own, and each output has a tolerance."""
    kernel = subject.kernel
    counts = Counter(op.name for op in kernel.ops)
    problems = [f"two ops are named '{name}'" for name in counts if counts[name] > 1]
    if not kernel.ops:
        problems.append("it has no op")
    if not kernel.providers:
        problems.append("it has no provider")
    for solved in subject.solved():
        outputs, tolerated = set(solved.expected), set(kernel.tolerance)
        problems += [
            f"{solved.op}: output '{name}' of the reference has no tolerance"
            for name in sorted(outputs - tolerated)
        ]
        problems += [
            f"{solved.op}: tolerance '{name}' is of no output of the reference"
            for name in sorted(tolerated - outputs)
        ]
        traffic = {*kernel.traffic.read, *kernel.traffic.written}
        problems += [
            f"{solved.op}: traffic names '{name}', which is no argument"
            for name in sorted(traffic - set(solved.args))
        ]
    return verdict(problems, f"{len(kernel.ops)} ops")


def check_iteration(subject: Subject) -> tuple[Outcome, str]:
    """The default sweep has every size of each phase, with the tokens that it means."""
    kernel = subject.kernel
    points = subject.default_points()
    kv_lens = len(KV_LENS) if kernel.has_kv_axis else 1
    sizes = {
        Phase.DECODE: len(BATCH_SIZES) * kv_lens,
        Phase.PREFILL: PREFILL_BATCH_SIZES * len(SEQ_LENS),
    }
    problems = []
    for op in kernel.ops:
        for phase in Phase:
            found = sum(p.op == op.name and p.phase is phase for p in points)
            is_planned = phase in kernel.phases and not op.on_request
            expected = sizes[phase] if is_planned else 0
            if found != expected:
                problems.append(f"{op.name}: {found} {phase} points, not {expected}")
    for point in points:
        is_decode = point.phase is Phase.DECODE
        expected = point.batch_size * (1 if is_decode else point.seq_len)
        if kernel.workload(point).tokens != expected:
            problems.append(f"{point.label} has {point.tokens} tokens, not {expected}")
    return verdict(problems, f"{len(points)} points")
