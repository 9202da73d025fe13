"""Arguments of a kernel at a few tokens, on the CPU."""

from typing import Protocol

import pytest

from dsprof.harness.records import Phase, Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels.registry import load_kernel
from dsprof.kernels.spec import Kernel, Tensors, Workload


class Example(Protocol):
    def __call__(
        self, name: str, *, tokens: int, op: str | None = None, small: bool = False
    ) -> tuple[Kernel, Workload, Tensors]: ...


@pytest.fixture
def example() -> Example:
    """Return a kernel, a workload of its first or the named op, and its arguments."""

    def make(
        name: str, *, tokens: int, op: str | None = None, small: bool = False
    ) -> tuple[Kernel, Workload, Tensors]:
        kernel = load_kernel(name)
        point = Point(
            kernel=name,
            op=op or kernel.ops[0].name,
            phase=Phase.DECODE,
            batch_size=tokens,
            seq_len=1,
        )
        work = kernel.small_workload(point) if small else kernel.workload(point)
        return kernel, work, kernel.make_inputs(work, DeviceTensors("cpu", point))

    return make
