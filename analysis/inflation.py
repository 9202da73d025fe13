"""Why a kernel executes other FLOP than its formula has: padding, side work, units."""

from dsprof.analysis.merge import MergedPoint
from dsprof.analysis.padding import CLOSE, explain_padding, tiles_of
from dsprof.harness.device import Datapath
from dsprof.harness.records import Measurement

__all__ = ["CLOSE", "NOT_EXPLAINED", "explain_inflation"]

NOT_EXPLAINED = "not explained"


def explain_inflation(point: MergedPoint) -> str:
    """Why executed over analytic FLOP is not 1.00; empty where it is, or is unknown.

    What is said follows from the numbers that are cited. FLOP on the FP32 units that
    the formula of a tensor kernel leaves out are told as well, and so is a padding of
    less than ``CLOSE`` that gives the ratio exactly.
    """
    row = point.measurement
    if row is None or point.path_flops is None:
        return ""
    if not row.total_flops:
        return _work_of_a_mover(point)
    ratio, reasons = point.flop_inflation, []
    if point.datapath is not row.datapath:
        reasons.append(_other_datapath(point, row.datapath, point.path_flops))
    if ratio is not None:
        reasons += _reasons(point, row, ratio)
    reasons += _side_work(point, row)
    return "; ".join(reasons)


def _other_datapath(point: MergedPoint, declared: Datapath, flops: float) -> str:
    ran = f"ran on {point.datapath}, where {_flop(flops)} were counted"
    if declared is Datapath.FP8_TENSOR and point.counters.tensor_fp16_mma_flops:
        return f"{ran}: as FP16, by mma.sync, which {declared} does not count"
    return f"{ran}: the declared {declared} counted 0"


def _reasons(point: MergedPoint, row: Measurement, ratio: float) -> list[str]:
    """At most one: why the datapath's own FLOP are not those of the formula."""
    is_off = abs(ratio - 1) > CLOSE
    if point.datapath is Datapath.FP32 and ratio:
        return [_more_or_less_an_element(row, ratio)] if is_off else []
    for padding in explain_padding(point, row, ratio):
        return [padding]
    return [_not_explained(point, row, ratio)] if is_off else []


def _not_explained(point: MergedPoint, row: Measurement, ratio: float) -> str:
    if ratio == 0:
        return (
            f"{NOT_EXPLAINED}: 0 FLOP on {point.datapath}, and no unit that was "
            f"counted did half of the formula's {_flop(row.total_flops)}"
        )
    named = " or ".join(map(str, tiles_of(point)))
    fits = f"not by its name's tile {named}" if named else "no tile fits"
    return f"{NOT_EXPLAINED}: {ratio:.4g} times the formula's FLOP, {fits}"


def _more_or_less_an_element(row: Measurement, ratio: float) -> str:
    elements = row.m * row.n * max(row.k, 1)
    formula = row.total_flops / elements if elements else row.total_flops
    each = "a product" if row.k else "an element"
    numbers = (
        f"{ratio * formula:.3g} FP32 FLOP executed {each}, {formula:.3g} in the formula"
    )
    if ratio < 1:
        return f"{numbers}: what ran as comparisons or conversions is not counted"
    if row.k:
        return f"{numbers}: sums across threads come on top"
    return (
        f"{numbers}: an FMA counts 2 even as an add, and division, exponentials and "
        f"sums across threads are several"
    )


def _side_work(point: MergedPoint, row: Measurement) -> list[str]:
    """FP32 FLOP beside those of the datapath, where the formula has none."""
    side, done = point.fp32_flops, point.path_flops
    if point.datapath is Datapath.FP32 or Datapath.FP32 in row.flops:
        return []
    if not side or not done or side / done <= CLOSE:
        return []
    what = "softmax and rescaling" if row.category == "Attention" else "FP32 side work"
    share = f"{side / done:.1%} of those on {point.datapath}"
    return [f"{what} besides, not in the formula: {_flop(side)}, {share}"]


def _work_of_a_mover(point: MergedPoint) -> str:
    if not point.path_flops:
        return ""
    return f"FP32 side work: {_flop(point.path_flops)} executed, none in the formula"


def _flop(count: float) -> str:
    return f"{count:.4g} FLOP"
