"""A kernel under examination: its ops solved once, in a size for a CPU."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from dsprof.harness.records import Phase, Point
from dsprof.harness.sweep import make_sweep, plan
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels.spec import Kernel, Tensors, Workload

# Few tokens, and a cache of more than one page but no whole number of them.
BATCH_SIZE = {Phase.DECODE: 4, Phase.PREFILL: 2}
SEQ_LEN = {Phase.DECODE: 1, Phase.PREFILL: 8}
KV_LEN = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """A small workload, its arguments, and what its reference makes of them."""

    op: str
    work: Workload
    args: Tensors
    expected: Tensors


@dataclass(slots=True)
class Subject:
    """One kernel; nothing may change the tensors of what is solved."""

    kernel: Kernel
    _solved: list[Solved] = field(default_factory=list)

    def solved(self) -> list[Solved]:
        """Every op with its reference's outputs."""
        if not self._solved:
            self._solved = [self._solve(op.name) for op in self.kernel.ops]
        return self._solved

    def small_points(self) -> Iterator[Point]:
        """A point of a few tokens for each op."""
        for op in self.kernel.ops:
            yield small_point(self.kernel, op.name)

    def default_points(self) -> list[Point]:
        return plan(make_sweep([self.kernel]), [self.kernel])

    def points(self) -> list[Point]:
        """The default sizes of every op, also of those that run only on request."""
        ops = tuple(op.name for op in self.kernel.ops)
        return plan(make_sweep([self.kernel], ops=ops), [self.kernel])

    def _solve(self, op: str) -> Solved:
        work = self.kernel.small_workload(small_point(self.kernel, op))
        args = self.kernel.make_inputs(work, DeviceTensors("cpu", work.point))
        expected = self.kernel.reference(work, args)
        return Solved(op=op, work=work, args=args, expected=expected)


def small_point(kernel: Kernel, op: str) -> Point:
    """A point of a few tokens in the kernel's first phase."""
    phase = kernel.phases[0]
    has_kv = kernel.has_kv_axis and phase is Phase.DECODE
    return Point(
        kernel=kernel.name,
        op=op,
        phase=phase,
        batch_size=BATCH_SIZE[phase],
        seq_len=SEQ_LEN[phase],
        kv_len=KV_LEN if has_kv else None,
    )
