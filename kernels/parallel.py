"""What one GPU of several does of a call: its part of heads, widths and experts.

Tensor parallelism divides attention heads and the inner width of every MLP; expert
parallelism divides the routed experts, and what it leaves of tensor parallelism divides
their width. Norms, q_a and kv_a, the router and the routing are repeated on every GPU,
which all hold all tokens. Nothing here counts what the GPUs then tell one another.
"""

from dataclasses import dataclass

from dsprof.harness.errors import UsageError
from dsprof.harness.records import Point
from dsprof.kernels import deepseek as ds
from dsprof.kernels.spec import Cost, Kernel, Workload

# Of an op's axes, the one that is divided: the first of these that it has. A GEMM
# whose input is divided splits its k; what prepares that input splits its row width.
_ROWS_OUT, _ROWS_IN, _HEADS = ("n",), ("k", "n"), ("heads", "n")
TENSOR_AXES = {
    "q_b_proj": _ROWS_OUT,
    "kv_b_proj": _ROWS_OUT,
    "o_proj": _ROWS_IN,
    "dense_mlp.gate_up_proj": _ROWS_OUT,
    "dense_mlp.act_fn": _ROWS_OUT,
    "dense_mlp.down": _ROWS_IN,
    "dense_mlp.down_proj": _ROWS_IN,
    "shared_experts.gate_up_proj": _ROWS_OUT,
    "shared_experts.act_fn": _ROWS_OUT,
    "shared_experts.down": _ROWS_IN,
    "shared_experts.down_proj": _ROWS_IN,
    "lm_head": _ROWS_OUT,
    "q_nope * w_kc": _HEADS,
    "attn * w_vc": _HEADS,
    "rotary_emb": _HEADS,
    "attn_mqa": _HEADS,
    "attn_mha": _HEADS,
    "concat_k": _HEADS,
}
EXPERT_AXES = {
    "experts (gate_up)": _ROWS_OUT,
    "act_fn": _ROWS_OUT,
    "experts (down)": _ROWS_IN,
    "experts (fused)": ("intermediate",),
}
# Kernels that work on rows of the routed experts under an op of another name.
ROUTED_KERNELS = frozenset(
    {
        "shuffle_rows",
        "apply_shuffle_mul_sum",
        "moe_sum_reduce",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """A layer over ``tp`` GPUs by heads and widths, and ``ep`` by experts.

    A GPU's part of the routed rows is the mean: the GPU with the most loaded experts
    has more. Raises UsageError where the model's sizes cannot be divided so.
    """

    tp: int = 1
    ep: int = 1

    def __post_init__(self) -> None:
        _refuse_unless(ds.Nh % self.tp == 0, f"--tp {self.tp}: {ds.Nh} heads")
        _refuse_unless(ds.E % self.ep == 0, f"--ep {self.ep}: {ds.E} experts")
        _refuse_unless(
            self.tp % self.ep == 0 or self.ep % self.tp == 0,
            f"--tp {self.tp} --ep {self.ep}: one does not divide the other, so they",
        )

    @property
    def is_whole(self) -> bool:
        return self.tp == self.ep == 1

    def cost(self, kernel: Kernel, point: Point) -> Cost:
        """Work of one GPU's part of a call."""
        op = point.op
        axes = dict(kernel.op(op).axes)
        expert_tp = max(1, self.tp // self.ep)
        _divide(axes, TENSOR_AXES.get(op, ()), self.tp)
        _divide(axes, EXPERT_AXES.get(op, ()), expert_tp)
        cost = kernel.cost(Workload(point=point, axes=axes))
        if op not in EXPERT_AXES and kernel.name not in ROUTED_KERNELS:
            return cost
        return Cost(
            flops={path: -(-flops // self.ep) for path, flops in cost.flops.items()},
            bytes_read=-(-cost.bytes_read // self.ep),
            bytes_written=-(-cost.bytes_written // self.ep),
        )


def _divide(axes: dict[str, int], candidates: tuple[str, ...], by: int) -> None:
    axis = next((name for name in candidates if name in axes), None)
    if axis is not None:
        axes[axis] = -(-axes[axis] // by)


def _refuse_unless(divides: bool, what: str) -> None:  # noqa: FBT001 -- a condition
    if not divides:
        raise UsageError(f"{what} cannot be divided evenly. Choose a power of two.")
