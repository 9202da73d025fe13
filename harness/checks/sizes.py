"""Whether a kernel's arguments have the sizes that its cost and the table say."""

from collections.abc import Mapping

from dsprof.harness.checks.result import Outcome, skipped, verdict
from dsprof.harness.checks.subject import Subject
from dsprof.harness.ops_table import OpTable, describe_op, make_arguments
from dsprof.harness.tensors import DeviceTensors


def check_cost(subject: Subject) -> tuple[Outcome, str]:
    """Analytic bytes are those of the tensors, at every default point."""
    kernel = subject.kernel
    problems = []
    points = subject.points()
    for point in points:
        work = kernel.workload(point)
        args = kernel.make_inputs(work, DeviceTensors("meta", point))
        cost = kernel.cost(work)
        counted = kernel.traffic.count(work, args)
        if (cost.bytes_read, cost.bytes_written) != counted:
            problems.append(
                f"{point.label}: cost reads {cost.bytes_read} and writes "
                f"{cost.bytes_written} bytes, the tensors have {counted[0]} and "
                f"{counted[1]}"
            )
    return verdict(problems[:1], f"{len(points)} points")


def check_shapes(
    subject: Subject, tables: Mapping[tuple[str, str], OpTable] | None
) -> tuple[Outcome, str]:
    """Arguments at the default points against the table of each op.

    Without a table of the user's, against the formulas that ``dsprof ops`` derives
    from a few sizes: they must hold at all others.
    """
    kernel = subject.kernel
    problems: list[str] = []
    compared = 0
    for op in kernel.ops:
        table = (
            describe_op(kernel, op.name)
            if tables is None
            else tables.get((kernel.name, op.name))
        )
        if table is None:
            continue
        compared += 1
        for point in subject.points():
            if point.op == op.name:
                found = table.differences(point, make_arguments(kernel, point))
                problems += [f"{op.name}: {difference}" for difference in found[:1]]
                if found:
                    break
    if not compared:
        return skipped("the table has no shapes of it")
    return verdict(problems, f"{compared} ops")
