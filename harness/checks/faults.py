"""Planted faults: what a broken kernel would write in place of a right output."""

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

from dsprof.harness.checks.subject import Solved
from dsprof.harness.tensors import poison
from dsprof.kernels.spec import Kernel, Tensors

if TYPE_CHECKING:
    import torch

Fault: TypeAlias = "tuple[str, Tensors | None]"


def damaged_outputs(solved: Solved) -> Iterator[tuple[str, Tensors]]:
    """Outputs with one fault each: its name, and every output with it planted."""
    for name, output in solved.expected.items():
        if output.dtype.is_floating_point:
            yield f"{name} at twice its scale", {name: output * 2}
            yield f"two rows of {name} swapped", {name: _two_rows_swapped(output)}
            yield f"the last tile of {name} unwritten", {name: _unwritten(output)}
            # Of a buffer that is longer than what is written, the end says nothing.
            yield f"the first row of {name} unwritten", {name: _unwritten_row(output)}
        else:
            yield f"one element of {name} off by one", {name: _one_more(output)}
            yield f"an element of {name} unwritten", {name: _unwritten_first(output)}
    for first, second in combinations(solved.expected, 2):
        a, b = solved.expected[first], solved.expected[second]
        if (a.shape, a.dtype) == (b.shape, b.dtype):
            yield f"{first} and {second} swapped", {first: b, second: a}


def _two_rows_swapped(output: "torch.Tensor") -> "torch.Tensor":
    """Swap the first row with the next that differs from it."""
    damaged = output.clone()
    rows = damaged.view(-1, damaged.shape[-1])
    for index in range(1, len(rows)):
        if (rows[0] != rows[index]).any():
            rows[[0, index]] = rows[[index, 0]]
            break
    return damaged


def _unwritten(output: "torch.Tensor") -> "torch.Tensor":
    damaged = output.clone()
    poison(damaged[-1:, ..., -max(1, output.shape[-1] // 8) :])
    return damaged


def _unwritten_row(output: "torch.Tensor") -> "torch.Tensor":
    damaged = output.clone()
    poison(damaged[:1])
    return damaged


def _unwritten_first(output: "torch.Tensor") -> "torch.Tensor":
    damaged = output.clone()
    poison(damaged.view(-1)[:1])
    return damaged


def _one_more(output: "torch.Tensor") -> "torch.Tensor":
    damaged = output.clone()
    damaged.view(-1)[0] += 1
    return damaged


def arguments_swapped(kernel: Kernel, solved: Solved) -> Iterator[Fault]:
    """What a call gives that has two arguments in each other's place.

    Pairs are read arguments of one shape and dtype whose values differ. None where
    the reference refuses the swapped arguments.
    """
    for first, second in combinations(kernel.traffic.read, 2):
        a, b = solved.args[first], solved.args[second]
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            continue
        swapped = solved.args | {first: b, second: a}
        got = _reference_or_none(kernel, solved, swapped)
        if got is not None and {first, second} <= got.keys():
            # In place: what was meant for one lies in the other.
            got |= {first: got[second], second: got[first]}
        yield f"{first} and {second} in each other's place", got


def experts_dropped(kernel: Kernel, solved: Solved) -> Iterator[Fault]:
    """What a call gives that leaves out the expert that most of the output needs.

    One fault for each tensor of experts' weights: what a call reads a share of.
    """
    experts = solved.work.axes.get("experts")
    for name in kernel.traffic.share:
        if len(solved.args[name]) != experts:
            continue
        without = [_without_expert(kernel, solved, name, i) for i in range(experts)]
        changed = [_elements_changed(got, solved.expected) for got in without]
        busiest = changed.index(max(changed))
        yield f"expert {busiest} left out of {name}", without[busiest]


def _without_expert(
    kernel: Kernel, solved: Solved, name: str, expert: int
) -> "Tensors | None":
    weights = solved.args[name].clone()
    _zero(weights[expert])
    return _reference_or_none(kernel, solved, solved.args | {name: weights})


def _elements_changed(got: "Tensors | None", expected: Tensors) -> int:
    if got is None:
        return 0
    return sum(int((got[name] != expected[name]).sum()) for name in expected)


def equal(got: Tensors, expected: Tensors) -> bool:
    """True if the outputs are the same to the bit."""
    import torch

    return all(
        got[name].shape == expected[name].shape
        and torch.equal(got[name].float(), expected[name].float())
        for name in expected
    )


def _zero(tensor: "torch.Tensor") -> None:
    import torch

    if tensor.element_size() == 1:  # torch fills no 8-bit floats
        tensor = tensor.view(torch.uint8)
    tensor.zero_()


def _reference_or_none(
    kernel: Kernel, solved: Solved, args: Tensors
) -> "Tensors | None":
    try:
        return dict(kernel.reference(solved.work, args))
    except (IndexError, RuntimeError, ValueError):
        return None
