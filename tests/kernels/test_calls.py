"""Which argument a registered op gets for which parameter, as recorded of a wheel."""

from typing import Any

import pytest
import torch

from dsprof.harness.calls import bind_call
from dsprof.harness.checks.subject import Solved, Subject
from dsprof.harness.signatures import Release, is_op, recorded_releases
from dsprof.kernels.registry import load_kernels
from dsprof.kernels.spec import Kernel

[WHEEL] = [r for r in recorded_releases() if r.name == "sglang-kernel 0.4.4"]

# Where our argument has another name than the op's.
OUR_NAMES = {
    "output": "out",
    "D": "out",
    "A": "a",
    "B": "b",
    "A_scale": "scale_a",
    "B_scale": "scale_b",
    "workspace_buffer": "workspace",
    "topk_indices": "topk_ids",
}


SCRATCH = {"cumsum_buffer"}  # written, and no result

KERNELS = [
    kernel
    for kernel in load_kernels()
    if list(map(is_op, kernel.providers[0].symbols)) == [True]
    and WHEEL.has(kernel.providers[0].symbols[0])
]


def bound(kernel: Kernel) -> tuple[Solved, dict[str, Any], Release]:
    """Return the kernel's first op, solved, and what the recorded op is given."""
    solved = Subject(kernel).solved()[0]
    provider = kernel.providers[0]
    call = bind_call(kernel, provider, solved.work, solved.args, WHEEL)
    assert call.mismatch == ""
    return solved, dict(call.given[provider.symbols[0]]), WHEEL


def test_the_kernels_of_the_wheel_are_held_to_it() -> None:
    assert len(KERNELS) > 12


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_a_tensor_goes_to_the_parameter_of_its_name(kernel: Kernel) -> None:
    solved, given, _ = bound(kernel)
    for name, value in given.items():
        ours = OUR_NAMES.get(name, name)
        if isinstance(value, torch.Tensor) and ours in solved.args:
            assert value is solved.args[ours], name


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_what_an_op_writes_is_an_output(kernel: Kernel) -> None:
    solved, given, wheel = bound(kernel)
    signature = wheel.signature(kernel.providers[0].symbols[0])
    assert signature is not None
    changed = {name for name, type_ in signature.types.items() if type_ == "Tensor!"}
    outputs = [solved.args[name] for name in solved.expected if name in solved.args]
    for name in changed - SCRATCH:
        assert any(given[name] is output for output in outputs), name
