"""The bytes of a call that are weights, by its shape."""

from dsprof.harness.device import Datapath
from dsprof.harness.records import Measurement

# Bytes of a number by the dtype names that rows carry; block scales are left out.
BYTES_OF = {
    "nvfp4": 0.5,
    "float8_e4m3fn": 1.0,
    "float8_e5m2": 1.0,
    "int8": 1.0,
    "bfloat16": 2.0,
    "float16": 2.0,
    "float32": 4.0,
}
EXPERTS = "experts"  # how the ops of the routed experts begin
ATTENTION = "Attention"  # category of the calls that read the KV cache


def bytes_of(dtype: str) -> float | None:
    """Bytes of a number; None for a dtype that is not known here."""
    return BYTES_OF.get(dtype)


def weight_bytes(row: Measurement) -> float:
    """Bytes of the weights that a matrix product reads; 0 for other kernels.

    A product of m rows does 2 m FLOP with each weight. Rows of routed experts are
    spread over the experts' weights, so there it is what is read less the rows.
    """
    size, tensor_flops = bytes_of(row.dtype), tensor_flops_of(row)
    if size is None or not row.k or not row.m or not tensor_flops:
        return 0.0
    if row.point.op.startswith(EXPERTS):
        return max(row.bytes_read - row.m * row.k * size, 0.0)
    return min(tensor_flops / (2 * row.m) * size, float(row.bytes_read))


def rows_a_weight(row: Measurement) -> float | None:
    """Rows that each weight is used for; None for what is no matrix product."""
    moved, size = weight_bytes(row), bytes_of(row.dtype)
    if not moved or size is None:
        return None
    return tensor_flops_of(row) / (2 * moved / size)


def tensor_flops_of(row: Measurement) -> int:
    return sum(flops for path, flops in row.flops.items() if path is not Datapath.FP32)
