"""The table of kernels and of their arguments, derived from the kernel files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.harness.dimension import Dimension, fit
from dsprof.harness.records import Phase, Point
from dsprof.harness.sweep import make_sweep, plan
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels.spec import Kernel, Tensors

if TYPE_CHECKING:
    import torch

SHOWN_BATCH_SIZE = 16  # the point whose numbers stand beside the formulas
SUMMARY_TITLE = "## Kernel Summary"
LEGEND = (
    "T tokens, B requests, L the length of their KV cache; T = B in decode, B S in "
    "prefill. pad(x, n) is x rounded up to a multiple of n. What varies depends on "
    "T in another way. Strides are given where a tensor is not contiguous. The cost "
    "does not count scalars, offsets and scratch."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One tensor of a call: what it is for, its sizes and how it lies in memory."""

    name: str
    role: str
    shape: tuple[Dimension, ...]
    dtype: str
    strides: tuple[Dimension, ...] | None = None  # None: contiguous

    def difference(self, point: Point, tensor: "torch.Tensor") -> str:
        """What of a tensor is not as it stands here; empty if all is."""
        dtype = str(tensor.dtype).removeprefix("torch.")
        shape = tuple(dimension.size(point) for dimension in self.shape)
        if self.dtype and dtype != self.dtype:
            return f"{self.name} is {dtype}, not {self.dtype}"
        if not _agrees(shape, tensor.shape):
            return f"{self.name} is {_tuple(tensor.shape)}, not {_tuple(shape)}"
        if self.strides is None:
            if not tensor.is_contiguous():
                return f"{self.name} has strides {tensor.stride()}, not contiguous ones"
            return ""
        strides = tuple(dimension.size(point) for dimension in self.strides)
        if not _agrees(strides, tensor.stride()):
            return f"{self.name} has strides {tensor.stride()}, not {_tuple(strides)}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpTable:
    """The arguments of one op of a kernel."""

    kernel: str
    op: str
    arguments: tuple[Argument, ...]

    def differences(self, point: Point, args: Tensors) -> list[str]:
        """Every way in which a call's arguments are not those of the table."""
        listed = {argument.name for argument in self.arguments}
        found = [f"'{name}' is not in the table" for name in args if name not in listed]
        for argument in self.arguments:
            if argument.name not in args:
                found.append(f"the call has no '{argument.name}'")
            elif difference := argument.difference(point, args[argument.name]):
                found.append(f"{difference} ({point.label})")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRow:
    """A kernel of the summary: its library and the ops that use it."""

    kernel: str
    source: str
    ops: tuple[str, ...]


def describe_op(kernel: Kernel, op: str) -> OpTable:
    """Derive the table of an op from its arguments at a few sizes."""
    points = _sample(kernel, op)
    made = [make_arguments(kernel, point) for point in points]
    return OpTable(
        kernel=kernel.name,
        op=op,
        arguments=tuple(
            _describe(kernel, name, points, [args[name] for args in made])
            for name in made[0]
        ),
    )


def make_arguments(kernel: Kernel, point: Point) -> Tensors:
    """The arguments at a point, without memory behind them."""
    work = kernel.workload(point)
    return kernel.make_inputs(work, DeviceTensors("meta", point))


def summary_rows(kernels: Iterable[Kernel]) -> list[SummaryRow]:
    return [
        SummaryRow(
            kernel=kernel.name,
            source=kernel.source,
            ops=tuple(op.name for op in kernel.ops),
        )
        for kernel in kernels
    ]


def _sample(kernel: Kernel, op: str) -> list[Point]:
    """The least, the greatest and two other sizes of each phase."""
    points = plan(make_sweep([kernel], ops=(op,)), [kernel])
    sample: list[Point] = []
    for phase in kernel.phases:
        of_phase = [point for point in points if point.phase is phase]
        places = (0, 1, len(of_phase) // 2, len(of_phase) - 1)
        sample += [of_phase[place] for place in places]
    return list(dict.fromkeys(sample))


def _describe(
    kernel: Kernel, name: str, points: Sequence[Point], tensors: list["torch.Tensor"]
) -> Argument:
    shape = _fit_all(points, [tuple(tensor.shape) for tensor in tensors])
    is_contiguous = all(tensor.is_contiguous() for tensor in tensors)
    return Argument(
        name=name,
        role=_role(kernel, name, shape),
        shape=shape,
        dtype=str(tensors[0].dtype).removeprefix("torch."),
        strides=None
        if is_contiguous
        else _fit_all(points, [tensor.stride() for tensor in tensors]),
    )


def _fit_all(
    points: Sequence[Point], sizes: list[tuple[int, ...]]
) -> tuple[Dimension, ...]:
    return tuple(fit(points, of_axis) for of_axis in zip(*sizes, strict=True))


def _role(kernel: Kernel, name: str, shape: tuple[Dimension, ...]) -> str:
    """A weight is what is read and does not grow with the tokens."""
    is_read, is_written = name in kernel.traffic.read, name in kernel.traffic.written
    if is_read and is_written:
        return "in place"
    if is_written:
        return "output"
    if not is_read:
        return "not counted"
    grows = any(dimension.basis or dimension.varies for dimension in shape)
    return "input" if grows else "weight"


def shown_point(kernel: Kernel, op: str) -> Point:
    """The point whose sizes are written beside the formulas."""
    points = plan(make_sweep([kernel], ops=(op,)), [kernel])
    return next(
        (
            point
            for point in points
            if point.phase is Phase.DECODE and point.batch_size == SHOWN_BATCH_SIZE
        ),
        points[0],
    )


def to_markdown(kernels: Sequence[Kernel]) -> str:
    """One table an op with its arguments, then the kernel summary."""
    lines = [
        "# Kernels and their arguments",
        "",
        LEGEND,
    ]
    for kernel in kernels:
        for op in kernel.ops:
            lines += ["", *_op_lines(kernel, op.name)]
    lines += ["", SUMMARY_TITLE, "", "| Kernel | Source | Ops Using It |"]
    lines.append("|--------|--------|--------------|")
    lines += [
        f"| `{row.kernel}` | {row.source} | {', '.join(row.ops)} |"
        for row in summary_rows(kernels)
    ]
    return "\n".join(lines) + "\n"


def _op_lines(kernel: Kernel, op: str) -> list[str]:
    point = shown_point(kernel, op)
    made = make_arguments(kernel, point)
    at = f"T = {point.tokens}" + (f", L = {point.kv_len}" if point.kv_len else "")
    table = describe_op(kernel, op)
    lines = [
        f"### {kernel.name}: {op}",
        "",
        f"| Argument | Role | Shape | At {at} | Dtype | Strides |",
        "|:--|:--|:--|:--|:--|:--|",
        *(
            argument_line(argument, _tuple(made[argument.name].shape))
            for argument in table.arguments
        ),
    ]
    if allocated := [name for name in kernel.tolerance if name not in made]:
        lines += ["", f"The call allocates {', '.join(allocated)}."]
    return lines


def argument_line(argument: Argument, numbers: str = "") -> str:
    strides = "" if argument.strides is None else _tuple(argument.strides)
    cells = (
        f"`{argument.name}`",
        argument.role,
        _tuple(argument.shape),
        numbers,
        argument.dtype,
        strides,
    )
    return f"| {' | '.join(cells)} |"


def _agrees(wanted: tuple[int | None, ...], found: Sequence[int]) -> bool:
    return len(wanted) == len(found) and all(
        size in {None, actual} for size, actual in zip(wanted, found, strict=True)
    )


def _tuple(sizes: Sequence[object]) -> str:
    return f"({', '.join('?' if size is None else str(size) for size in sizes)})"
