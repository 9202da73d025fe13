"""Compares a kernel's outputs with its reference."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.kernels.spec import Kernel, Tensors, Tolerance, Workload

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The worst output: its error, the limit, and in words what is wrong if it is.

    The error of a tolerance with rtol is ``max |got - ref| / (|ref| + atol / rtol)``
    against rtol, which is the same test as ``|got - ref| <= atol + rtol * |ref|``;
    with both at 0 it is the share of elements that differ, against 0.
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
    """The comparison of the output that is worst relative to its limit."""
    if kernel.canonical is not None:
        got = kernel.canonical(work, args, got)
        expected = kernel.canonical(work, args, expected)
    if missing := sorted(expected.keys() - got.keys()):
        raise KeyError(f"{kernel.name} returned no output {', '.join(missing)}")
    comparisons = [
        _compare_output(name, got[name], wanted, kernel.tolerance[name])
        for name, wanted in expected.items()
    ]
    failed = [comparison for comparison in comparisons if not comparison.passed]
    return max(failed or comparisons, key=_excess)


def _excess(comparison: Comparison) -> float:
    if comparison.error != comparison.error:
        return float("inf")
    return comparison.error / comparison.limit if comparison.limit else comparison.error


def _compare_output(
    name: str, got: "torch.Tensor", expected: "torch.Tensor", tolerance: Tolerance
) -> Comparison:
    import torch

    if got.shape != expected.shape:
        problem = f"shape is {tuple(got.shape)}, expected {tuple(expected.shape)}"
        return Comparison(
            output=name, error=float("inf"), limit=tolerance.rtol, problem=problem
        )
    if not expected.dtype.is_floating_point:
        wrong = (got != expected).double().mean().item() if got.numel() else 0.0
        return Comparison(output=name, error=wrong, limit=0.0)
    got, expected = got.float(), expected.to(got.device).float()
    bad = ~torch.isfinite(got) & torch.isfinite(expected)
    if count := int(bad.sum()):
        problem = f"{count} of {got.numel()} elements are NaN, infinite or unwritten"
        return Comparison(
            output=name, error=float("nan"), limit=tolerance.rtol, problem=problem
        )
    if tolerance.rtol == 0.0 and tolerance.atol == 0.0:
        wrong = (got != expected).double().mean().item() if got.numel() else 0.0
        return Comparison(output=name, error=wrong, limit=0.0)
    floor = tolerance.atol / tolerance.rtol
    error = ((got - expected).abs() / (expected.abs() + floor)).max().item()
    return Comparison(output=name, error=error, limit=tolerance.rtol)
