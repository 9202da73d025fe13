"""What a kernel declares about itself: the vocabulary of every kernel file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from dsprof.harness.device import Datapath
from dsprof.harness.records import Phase, Point

if TYPE_CHECKING:
    import torch

Tensors: TypeAlias = "dict[str, torch.Tensor]"
Run: TypeAlias = Callable[[], "Tensors"]
"""Runs a prepared kernel once and returns its outputs by name.

Outputs that the caller allocates are arguments as well, so a run writes them in
place and returns them; in-place kernels return the arguments that they changed.
"""


class Source(StrEnum):
    """The library that a kernel belongs to."""

    SGL_KERNEL = "sgl-kernel"
    FLASHINFER = "flashinfer"
    TRITON = "triton"
    TORCH = "torch"  # and the libraries that it calls, such as cuBLAS


class Category(StrEnum):
    """What a kernel does in the layer, as the kernel table groups it."""

    NORM = "Norm"
    GEMM = "GEMM"
    BMM = "BMM"
    ATTENTION = "Attention"
    ROPE = "RoPE"
    CONCAT = "Concat"
    ACTIVATION = "Activation"
    ROUTING = "MoE Routing"
    MOE = "MoE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One problem size of one op: the point, and the sizes that the op fixes."""

    point: Point
    axes: Mapping[str, int]

    @property
    def tokens(self) -> int:
        return self.point.tokens

    def __getitem__(self, axis: str) -> int:
        return self.axes[axis]


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One use of a kernel in the layer, with the sizes that this use fixes."""

    name: str
    axes: Mapping[str, int]
    note: str = ""  # what a reader must know, such as that the model does not run it
    on_request: bool = False  # swept only when it is named
    dtype: str = ""  # where it is not the kernel's


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Which arguments a kernel must read and write, each once: what cost is held to.

    ``share`` is for a tensor of which a call needs only a part, such as the weights
    of the experts that get a row; ``allocated_bytes`` for outputs that are not
    arguments. Scratch and scalars are left out.
    """

    read: tuple[str, ...]
    written: tuple[str, ...]
    allocated_bytes: Callable[[Workload], int] = lambda _work: 0
    share: Mapping[str, Callable[[Workload], Fraction]] = field(default_factory=dict)

    def count(self, work: Workload, args: Tensors) -> tuple[int, int]:
        """Bytes read and written, counted on the tensors (meta tensors will do).

        The elements that a view shows count, not the memory it lies in.
        """

        def size(name: str) -> Fraction:
            share = self.share[name](work) if name in self.share else Fraction(1)
            return args[name].numel() * args[name].element_size() * share

        written = sum(map(size, self.written), Fraction()) + self.allocated_bytes(work)
        return int(sum(map(size, self.read), Fraction())), int(written)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Analytic work of one call: FLOP by datapath, compulsory bytes by direction.

    Compulsory: each input read once, each output written once, scale factors and
    index tables included, whatever a cache or a tile makes of it.
    """

    flops: Mapping[Datapath, int] = field(default_factory=dict)
    bytes_read: int
    bytes_written: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A range of shapes that the kernel refuses, and why."""

    allows: Callable[[Workload], bool]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One package's way to call a kernel.

    ``symbols`` are the functions and classes that it calls, each "module:attribute".
    ``prepare`` gets them as ``load`` returns them, under the attribute's first name;
    it does what serving does once for many calls (plans, metadata, workspaces) and
    returns the run, which alone is timed.
    """

    package: str  # the name it is imported by
    distribution: str  # the name it is installed by
    symbols: tuple[str, ...]
    prepare: Callable[[Any, Workload, Tensors], Run]
    variant: str = ""  # tells apart two providers of one package

    @property
    def name(self) -> str:
        """What ``--provider`` calls it."""
        return f"{self.package}-{self.variant}" if self.variant else self.package

    def load(self) -> SimpleNamespace:
        """Import the symbols; ImportError or AttributeError where one is missing."""
        import_module(self.package)  # registers what torch.ops then has
        return SimpleNamespace(
            **{
                symbol.partition(":")[2].split(".")[0]: resolve(symbol)
                for symbol in self.symbols
            }
        )


def resolve(symbol: str) -> Any:  # noqa: ANN401 -- a function or a class
    """Import what "module:attribute" names; the module may be an attribute itself."""
    module_name, _, path = symbol.partition(":")
    try:
        found: Any = import_module(module_name)
    except ModuleNotFoundError:
        parent, _, child = module_name.rpartition(".")
        if not parent:
            raise
        found = getattr(resolve(parent), child)  # such as torch.ops.sgl_kernel
    for name in path.split(".") if path else ():
        found = getattr(found, name)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far an output may be from its reference.

    An element passes if ``|got - ref| <= atol + rtol * |ref|``, an output if at least
    ``share`` of its elements do. Integer outputs, and all outputs with both at 0, must
    be equal. NaN never passes, whatever the share.
    """

    atol: float = 0.0
    rtol: float = 0.0
    share: float = 1.0


EXACT = Tolerance()


class TensorMaker(Protocol):
    """Makes a kernel's arguments on the device that the run chose."""

    def normal(self, *shape: int, dtype: str = "bfloat16") -> "torch.Tensor":
        """Standard-normal values, seeded by the point."""
        ...

    def output(self, *shape: int, dtype: str = "bfloat16") -> "torch.Tensor":
        """A poisoned buffer: NaN or a sentinel until the kernel writes it."""
        ...

    def zeros(self, *shape: int, dtype: str) -> "torch.Tensor":
        """Scratch that a kernel expects to be zero."""
        ...

    def bytes(self, *shape: int) -> "torch.Tensor":
        """uint8, every value equally likely: packed 4-bit codes, two a byte."""
        ...

    def expert_ids(
        self,
        tokens: int,
        experts: int,
        top_k: int,
        groups: int = 1,
        top_groups: int = 1,
    ) -> "torch.Tensor":
        """int32 (tokens, top_k): the routing of this size (``kernels/routed.py``)."""
        ...

    def router_logits(
        self, tokens: int, experts: int, top_k: int, groups: int, top_groups: int
    ) -> "torch.Tensor":
        """FP32 (tokens, experts) that choose experts without a tie (``routed.py``)."""
        ...


def rows_width(work: Workload) -> tuple[int, int, int]:
    """M, N, K of a kernel that works on rows: tokens, row width, 0."""
    return work.tokens, work["n"], 0


def gemm_shape(work: Workload) -> tuple[int, int, int]:
    """M, N, K of a GEMM with one row a token."""
    return work.tokens, work["n"], work["k"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel as its file declares it; the module constant ``KERNEL``.

    ``reference`` computes the outputs in plain torch at fp32 or better from the
    arguments before the call, and changes none of them. ``canonical`` brings
    outputs whose order is not fixed into one that can be compared.
    """

    name: str
    source: Source
    category: Category
    summary: str
    dtype: str
    ops: tuple[Op, ...]
    min_compute_capability: tuple[int, int]
    providers: tuple[Provider, ...]
    make_inputs: Callable[[Workload, TensorMaker], Tensors]
    reference: Callable[[Workload, Tensors], Tensors]
    tolerance: Mapping[str, Tolerance]
    cost: Callable[[Workload], Cost]
    traffic: Traffic
    shape: Callable[[Workload], tuple[int, int, int]] = rows_width
    limits: tuple[Limit, ...] = ()
    canonical: Callable[[Workload, Tensors, Tensors], Tensors] | None = None
    # Experts that get a row of this workload; None for what routes nothing.
    distinct_experts: Callable[[Workload], int] | None = None
    max_compute_capability: tuple[int, int] | None = None  # inclusive
    phases: tuple[Phase, ...] = (Phase.DECODE, Phase.PREFILL)
    has_kv_axis: bool = False  # decode points carry a kv_len
    stands_in_for: tuple[str, ...] = ()
    # Axes to replace where the op is too large to make and to check on a CPU.
    small_axes: Mapping[str, int] = field(default_factory=dict)

    def op(self, name: str) -> Op:
        return next(op for op in self.ops if op.name == name)

    def workload(self, point: Point) -> Workload:
        return Workload(point=point, axes=self.op(point.op).axes)

    def small_workload(self, point: Point) -> Workload:
        """The point's workload in a size whose reference a CPU computes in a second."""
        return Workload(point=point, axes={**self.op(point.op).axes, **self.small_axes})

    def limit_reason(self, work: Workload) -> str | None:
        """Why the kernel does not take this shape, or None if it does."""
        for limit in self.limits:
            if not limit.allows(work):
                return limit.reason
        return None

    def capability_reason(self, compute_capability: tuple[int, int]) -> str | None:
        """Why the kernel does not run on such a GPU, or None if it does."""
        low, high = self.min_compute_capability, self.max_compute_capability
        major, minor = compute_capability
        here = f"this GPU has {major}.{minor}"
        if compute_capability < low:
            return f"{self.name} needs compute capability {low[0]}.{low[1]}; {here}."
        if high is not None and compute_capability > high:
            return (
                f"{self.name} runs up to compute capability {high[0]}.{high[1]}; "
                f"{here}."
            )
        return None
