import pytest

from dsprof.harness.errors import UsageError
from dsprof.harness.records import Phase, Point
from dsprof.kernels.layer import SLOTS
from dsprof.kernels.parallel import EXPERT_AXES, TENSOR_AXES, Division
from dsprof.kernels.registry import kernel_files, load_kernel
from dsprof.kernels.spec import Cost

DIVIDED = sorted(
    {
        (call.kernel, call.op, slot.phase)
        for slot in SLOTS
        for choice in slot.choices
        for call in choice.calls
        if call.kernel in kernel_files() and call.op in TENSOR_AXES
    }
)


def cost(division: Division, kernel: str, op: str, phase: Phase = Phase.DECODE) -> Cost:
    decode = phase is Phase.DECODE
    loaded = load_kernel(kernel)
    point = Point(
        kernel=kernel,
        op=op,
        phase=phase,
        batch_size=16 if decode else 1,
        seq_len=1 if decode else 128,
        kv_len=1024 if loaded.has_kv_axis and decode else None,
    )
    return division.cost(loaded, point)


def test_one_gpu_does_the_whole_call() -> None:
    whole = Division()
    assert whole.is_whole
    kernel = load_kernel("bmm_fp8")
    point = Point(
        kernel="bmm_fp8",
        op="attn * w_vc",
        phase=Phase.DECODE,
        batch_size=16,
        seq_len=1,
    )
    assert whole.cost(kernel, point) == kernel.cost(kernel.workload(point))


@pytest.mark.parametrize(("kernel", "op", "phase"), DIVIDED)
def test_eight_gpus_share_what_tensor_parallelism_divides(
    kernel: str, op: str, phase: Phase
) -> None:
    whole = cost(Division(), kernel, op, phase)
    part = cost(Division(tp=8), kernel, op, phase)
    bytes_whole = whole.bytes_read + whole.bytes_written
    bytes_part = part.bytes_read + part.bytes_written
    assert sum(part.flops.values()) <= sum(whole.flops.values()) / 7.5
    assert bytes_whole / 8 * 0.999 <= bytes_part < bytes_whole


def test_a_gpu_of_eight_reads_an_eighth_of_the_heads_weights() -> None:
    # 16 of 128 heads: 16 x (512 x 128 + 16 x 128) FP8 in, 16 x 16 x 512 BF16 out.
    part = cost(Division(tp=8), "bmm_fp8", "q_nope * w_kc")
    assert part.bytes_read == 16 * (512 * 128 + 16 * 128)
    assert part.bytes_written == 2 * 16 * 16 * 512


def test_norms_and_router_are_repeated_on_every_gpu() -> None:
    for kernel, op in (("rmsnorm", "q_a_layernorm"), ("dsv3_router_gemm", "gate")):
        assert cost(Division(tp=8, ep=8), kernel, op) == cost(Division(), kernel, op)


def test_expert_parallelism_divides_routed_rows_and_tensor_parallelism_the_rest() -> (
    None
):
    whole = cost(Division(), "silu_and_mul", "act_fn")
    for division in (Division(tp=8), Division(tp=8, ep=8), Division(tp=8, ep=2)):
        part = cost(division, "silu_and_mul", "act_fn")
        assert part.bytes_read * 8 == whole.bytes_read


@pytest.mark.parametrize(
    ("tp", "ep", "message"),
    [(3, 1, "128 heads"), (1, 512, "256 experts"), (64, 128, None)],
)
def test_sizes_that_cannot_be_divided_are_refused(
    tp: int, ep: int, message: str | None
) -> None:
    if message is None:
        assert not Division(tp=tp, ep=ep).is_whole
        return
    with pytest.raises(UsageError, match=message):
        Division(tp=tp, ep=ep)


def test_no_op_is_divided_both_ways() -> None:
    assert not set(TENSOR_AXES) & set(EXPERT_AXES)
