"""Small attention problems on the CPU, and functions that keep what they are given."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

import pytest

from dsprof.harness.records import Phase, Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels.registry import load_kernel
from dsprof.kernels.spec import Kernel, Run, Tensors, Workload


class Recorder:
    """A function that computes nothing; ``given`` is what it was called with last."""

    def __init__(self, returns: object = None) -> None:
        self.returns = returns
        self.given: dict[str, Any] = {}
        self.positional: tuple[Any, ...] = ()

    def __call__(self, *args: object, **kwargs: object) -> object:
        self.positional, self.given = args, kwargs
        return self.returns


class RecordingWrapper:
    """Stands for a wrapper class of flashinfer: keeps what each method is given."""

    def __init__(self) -> None:
        self.constructor, self.plan, self.run = Recorder(self), Recorder(), Recorder()


class Problem(NamedTuple):
    kernel: Kernel
    work: Workload
    args: Tensors

    def prepare(
        self, functions: Mapping[str, Callable[..., Any]], *, provider: int = 0
    ) -> Run:
        """Prepare a call of these functions, by name, in place of the package's."""
        api = SimpleNamespace(**functions)
        return self.kernel.providers[provider].prepare(api, self.work, self.args)


class MakeProblem(Protocol):
    def __call__(
        self,
        name: str,
        *,
        batch_size: int,
        seq_len: int = 1,
        kv_len: int | None = None,
        **axes: int,
    ) -> Problem: ...


@pytest.fixture
def problem() -> MakeProblem:
    """Return a kernel's first op at this size, decode for one token a request."""

    def make(
        name: str,
        *,
        batch_size: int,
        seq_len: int = 1,
        kv_len: int | None = None,
        **axes: int,
    ) -> Problem:
        kernel = load_kernel(name)
        point = Point(
            kernel=name,
            op=kernel.ops[0].name,
            phase=Phase.DECODE if seq_len == 1 else Phase.PREFILL,
            batch_size=batch_size,
            seq_len=seq_len,
            kv_len=kv_len,
        )
        small = kernel.small_workload(point)
        work = Workload(point=point, axes={**small.axes, **axes})
        args = kernel.make_inputs(work, DeviceTensors("cpu", point))
        return Problem(kernel, work, args)

    return make
