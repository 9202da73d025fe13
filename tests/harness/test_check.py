import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsprof.harness.check import Comparison, compare
from dsprof.harness.errors import DsprofError
from dsprof.harness.records import Phase, Point
from dsprof.kernels.registry import load_kernel
from dsprof.kernels.spec import EXACT, Tensors, Tolerance, Workload

POINT = Point(kernel="x", op="y", phase=Phase.DECODE, batch_size=1, seq_len=1)
WORK = Workload(point=POINT, axes={})
NAN, INF = math.nan, math.inf

Canonical = Callable[[Workload, Tensors, Tensors], Tensors]


def compare_outputs(
    got: Tensors,
    expected: Tensors,
    tolerance: Tolerance,
    canonical: Canonical | None = None,
) -> Comparison:
    kernel = replace(
        load_kernel("rmsnorm"),
        name="toy",
        tolerance=dict.fromkeys(expected, tolerance),
        canonical=canonical,
    )
    return compare(kernel, WORK, {}, got, expected)


def compare_values(
    got: list[float], expected: list[float], *, atol: float = 0.0, rtol: float = 0.0
) -> Comparison:
    return compare_outputs(
        {"out": torch.tensor(got)},
        {"out": torch.tensor(expected)},
        Tolerance(atol=atol, rtol=rtol),
    )


def test_the_error_is_relative_with_a_floor_of_atol_over_rtol() -> None:
    # Floor 0.1 / 0.01 = 10: |5 - 4| / (4 + 10), and |101 - 100| / (100 + 10).
    worst = compare_values([5.0, 101.0], [4.0, 100.0], atol=0.1, rtol=0.01)
    assert worst.error == pytest.approx(1 / 14)
    assert (worst.limit, worst.passed) == (0.01, False)


def test_without_rtol_the_error_is_absolute() -> None:
    worst = compare_values([5.0, 101.5], [4.0, 100.0], atol=1.5)
    assert (worst.error, worst.limit, worst.passed) == (1.5, 1.5, True)


def test_without_atol_a_zero_must_be_matched() -> None:
    assert compare_values([0.0, 1.0], [0.0, 1.0], rtol=0.1).error == 0.0
    assert compare_values([1e-9, 1.0], [0.0, 1.0], rtol=0.1).error == INF


@pytest.mark.parametrize("rtol", [0.0, 0.5])
@pytest.mark.parametrize(("wrong", "passed"), [(0, True), (2, True), (3, False)])
def test_a_share_of_the_elements_may_be_asked_for(
    *, rtol: float, wrong: int, passed: bool
) -> None:
    expected = torch.zeros(5, 4)
    got = expected.clone()
    got.view(-1)[:wrong] = 9.0
    tolerance = Tolerance(atol=0.5, rtol=rtol, share=0.9)
    result = compare_outputs({"out": got}, {"out": expected}, tolerance)
    assert result.passed is passed


def test_an_unwritten_element_fails_whatever_the_share() -> None:
    got = torch.zeros(20)
    got[3] = NAN
    tolerance = Tolerance(atol=0.5, share=0.5)
    expected = {"out": torch.zeros(20)}
    assert not compare_outputs({"out": got}, expected, tolerance).passed


moderate = st.floats(-1e3, 1e3, width=32)


@given(
    pairs=st.lists(st.tuples(moderate, moderate), min_size=1, max_size=8),
    atol=st.floats(1e-3, 1.0),
    rtol=st.floats(1e-3, 1.0),
)
def test_it_passes_where_every_element_is_within_atol_plus_rtol_of_its_value(
    pairs: list[tuple[float, float]], atol: float, rtol: float
) -> None:
    got, expected = zip(*pairs, strict=True)
    distances = [abs(g - e) / (atol + rtol * abs(e)) for g, e in pairs]
    result = compare_values(list(got), list(expected), atol=atol, rtol=rtol)
    if max(distances) < 1 - 1e-4:
        assert result.passed
    if max(distances) > 1 + 1e-4:
        assert not result.passed


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
@pytest.mark.parametrize("tolerance", [EXACT, Tolerance(atol=1e9, rtol=1e9)])
def test_nan_and_infinity_never_pass(bad: float, tolerance: Tolerance) -> None:
    result = compare_outputs(
        {"out": torch.tensor([1.0, bad])}, {"out": torch.tensor([1.0, 2.0])}, tolerance
    )
    assert not result.passed
    assert (
        result.problem == "1 of 2 elements of the output are NaN, infinite or unwritten"
    )


@pytest.mark.parametrize("bad", [NAN, INF])
def test_a_reference_that_is_not_finite_passes_nothing(bad: float) -> None:
    result = compare_values([1.0, bad], [1.0, bad], atol=1.0, rtol=1.0)
    assert not result.passed
    assert "elements of the reference" in result.problem


@pytest.mark.parametrize("dtype", [torch.int32, torch.bfloat16])
def test_exact_outputs_name_the_first_element_that_differs(dtype: torch.dtype) -> None:
    expected = torch.arange(6).view(2, 3).to(dtype)
    got = expected.clone()
    got[1, 0], got[1, 2] = 9, 7
    result = compare_outputs({"out": got}, {"out": expected}, EXACT)
    nine, three = got[1, 0].item(), expected[1, 0].item()
    assert result.problem == (
        f"2 of 6 elements differ; the first, at (1, 0), is {nine}, expected {three}"
    )
    assert result.error == pytest.approx(1 / 3)
    assert result.limit == 0.0


def test_integers_are_exact_whatever_the_tolerance() -> None:
    result = compare_outputs(
        {"out": torch.tensor([7])}, {"out": torch.tensor([8])}, Tolerance(atol=5)
    )
    assert not result.passed


def test_equal_outputs_pass_at_any_width() -> None:
    ids = torch.tensor([3, 1])
    assert compare_outputs({"out": ids.int()}, {"out": ids.long()}, EXACT).passed


def test_a_wrong_shape_is_a_problem_and_not_broadcast() -> None:
    result = compare_values([1.0], [1.0, 1.0], atol=1.0)
    assert result.problem == "shape is (1,), expected (2,)"
    assert not result.passed


def test_the_output_that_is_worst_for_its_own_limit_is_reported() -> None:
    kernel = replace(
        load_kernel("rmsnorm"),
        tolerance={"loose": Tolerance(atol=10.0), "tight": Tolerance(atol=0.1)},
    )
    expected = {"loose": torch.zeros(2), "tight": torch.zeros(2)}
    got = {"loose": torch.full((2,), 5.0), "tight": torch.full((2,), 0.09)}
    assert compare(kernel, WORK, {}, got, expected).output == "tight"


def test_an_output_that_fails_is_reported_before_one_that_passes() -> None:
    expected = {"a": torch.zeros(2), "b": torch.zeros(2)}
    got = {"a": torch.full((2,), 0.9), "b": torch.full((2,), NAN)}
    assert compare_outputs(got, expected, Tolerance(atol=1.0)).output == "b"


@pytest.mark.parametrize("names", [[], ["out", "more"], ["uot"]])
def test_outputs_that_the_reference_does_not_name_are_a_mistake_in_the_kernel_file(
    names: list[str],
) -> None:
    with pytest.raises(DsprofError, match="Return the same outputs from both"):
        compare_outputs(
            dict.fromkeys(names, torch.zeros(1)), {"out": torch.zeros(1)}, EXACT
        )


def test_canonical_is_applied_to_both_sides() -> None:
    def in_order(_work: Workload, _args: Tensors, outputs: Tensors) -> Tensors:
        return {name: tensor.sort().values for name, tensor in outputs.items()}

    got, expected = torch.tensor([3, 1, 2]), torch.tensor([2, 3, 1])
    assert not compare_outputs({"out": got}, {"out": expected}, EXACT).passed
    assert compare_outputs({"out": got}, {"out": expected}, EXACT, in_order).passed


def test_comparing_changes_neither_side() -> None:
    got, expected = torch.tensor([-1.0, 2.0]), torch.tensor([-1.5, 2.0])
    compare_outputs({"out": got}, {"out": expected}, Tolerance(atol=1.0, rtol=0.1))
    assert (got.tolist(), expected.tolist()) == ([-1.0, 2.0], [-1.5, 2.0])
