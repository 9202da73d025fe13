"""Compares a kernel's outputs with its reference."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.harness.errors import DsprofError
from dsprof.kernels.spec import EXACT, Kernel, Tensors, Tolerance, Workload

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How far one output is from its reference, and in words what is wrong if it is.

    With rtol, the error is ``max |got - ref| / (|ref| + atol / rtol)`` and its limit
    is rtol, which is the same test as ``|got - ref| <= atol + rtol * |ref|``. With
    atol alone it is ``max |got - ref|`` and the limit atol; with neither, and for
    integers, it is the share of elements that differ, and the limit 0. Where the
    tolerance asks for a share of the elements, ``max`` is over the best such share.
    """

    output: str
    error: float
    limit: float
    problem: str = ""

    @property
    def passed(self) -> bool:
        return not self.problem and self.error <= self.limit  # NaN does not pass


def compare(
    kernel: Kernel, work: Workload, args: Tensors, got: Tensors, expected: Tensors
) -> Comparison:
    """The comparison of the output that is worst relative to its limit.

    ``args`` are the arguments of the call; in-place kernels have changed theirs.
    """
    if got.keys() != expected.keys():
        raise DsprofError(
            f"{kernel.name} returns {', '.join(sorted(got))}; its reference returns "
            f"{', '.join(sorted(expected))}. Return the same outputs from both."
        )
    wrong_shape = [
        _wrong_shape(name, got[name], wanted)
        for name, wanted in expected.items()
        if got[name].shape != wanted.shape
    ]
    if wrong_shape:
        return wrong_shape[0]
    if kernel.canonical is not None:
        got = kernel.canonical(work, args, got)
        expected = kernel.canonical(work, args, expected)
    comparisons = [
        _compare_output(name, got[name], wanted, kernel.tolerance[name])
        for name, wanted in expected.items()
    ]
    failed = [comparison for comparison in comparisons if not comparison.passed]
    return max(failed or comparisons, key=_excess)


def _excess(comparison: Comparison) -> float:
    if math.isnan(comparison.error):
        return math.inf
    return comparison.error / comparison.limit if comparison.limit else comparison.error


def _wrong_shape(
    name: str, got: "torch.Tensor", expected: "torch.Tensor"
) -> Comparison:
    return Comparison(
        output=name,
        error=math.inf,
        limit=0.0,
        problem=f"shape is {tuple(got.shape)}, expected {tuple(expected.shape)}",
    )


def _compare_output(
    name: str, got: "torch.Tensor", expected: "torch.Tensor", tolerance: Tolerance
) -> Comparison:
    import torch

    expected = expected.to(got.device)
    if not expected.dtype.is_floating_point:
        return _compare_equal(name, got, expected)
    got, expected = got.float(), expected.float()
    for whose, tensor in (("reference", expected), ("output", got)):
        if bad := tensor.numel() - int(torch.isfinite(tensor).sum()):
            problem = f"{bad} of {tensor.numel()} elements of the {whose} are "
            return Comparison(
                output=name,
                error=math.nan,
                limit=tolerance.rtol or tolerance.atol,
                problem=problem + "NaN, infinite or unwritten",
            )
    if tolerance == EXACT:
        return _compare_equal(name, got, expected)
    error = (got - expected).abs_()
    if not tolerance.rtol:
        return Comparison(
            output=name, error=_error_of(error, tolerance.share), limit=tolerance.atol
        )
    error /= expected.abs().add_(tolerance.atol / tolerance.rtol)
    # Without atol, a zero that is matched gives 0 / 0: no error.
    error.nan_to_num_(nan=0.0, posinf=math.inf)
    return Comparison(
        output=name, error=_error_of(error, tolerance.share), limit=tolerance.rtol
    )


def _error_of(errors: "torch.Tensor", share: float) -> float:
    """Return the error that no more than 1 - ``share`` of the elements exceed."""
    place = max(1, math.ceil(share * errors.numel()))
    if place == errors.numel():
        return errors.max().item()
    return errors.flatten().kthvalue(place).values.item()


def _compare_equal(
    name: str, got: "torch.Tensor", expected: "torch.Tensor"
) -> Comparison:
    import torch

    differs = got != expected
    count = int(differs.sum())
    if not count:
        return Comparison(output=name, error=0.0, limit=0.0)
    place = torch.unravel_index(differs.flatten().byte().argmax(), differs.shape)
    first = tuple(int(index) for index in place)
    return Comparison(
        output=name,
        error=count / got.numel(),
        limit=0.0,
        problem=(
            f"{count} of {got.numel()} elements differ; the first, at {first}, is "
            f"{got[first].item()}, expected {expected[first].item()}"
        ),
    )
