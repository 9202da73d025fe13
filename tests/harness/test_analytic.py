import pytest

from dsprof.harness.analytic import analytic_row, analytic_rows
from dsprof.harness.device import device_spec
from dsprof.harness.records import Bound, Call, Phase, Point, Status
from dsprof.kernels.parallel import Division
from dsprof.kernels.registry import load_kernel

B200, H200 = device_spec("b200"), device_spec("h200-sxm")


def point(kernel: str, op: str, batch_size: int, kv_len: int | None = None) -> Point:
    return Point(
        kernel=kernel,
        op=op,
        phase=Phase.DECODE,
        batch_size=batch_size,
        seq_len=1,
        kv_len=kv_len,
    )


def test_a_row_has_work_and_a_roof_and_no_time() -> None:
    kernel = load_kernel("bmm_fp8")
    row = analytic_row(kernel, point("bmm_fp8", "attn * w_vc", 1), B200)
    assert (row.status, row.warm, row.cold) == (Status.UNAVAILABLE, None, None)
    # 8,388,608 of weights, 65,536 in, 32,768 out over 8 TB/s.
    assert row.roof_time_us == pytest.approx(8_486_912 / 8e6)
    assert row.bound is Bound.MEMORY


def test_a_device_without_the_datapath_gives_no_roof() -> None:
    fp4 = load_kernel("cutlass_scaled_fp4_mm")
    here = point("cutlass_scaled_fp4_mm", "o_proj", 1)
    row = analytic_row(fp4, here, H200)
    assert row.roof is None
    assert row.bound is None
    assert row.status is Status.UNSUPPORTED
    assert analytic_row(fp4, here, B200).roof is not None


def test_a_shape_that_the_kernel_refuses_says_so() -> None:
    kernel = load_kernel("dsv3_fused_a_gemm")
    row = analytic_row(kernel, point(kernel.name, "fused_qkv_a_proj", 17), B200)
    assert row.status is Status.OUT_OF_LIMIT
    assert "at most 16 tokens" in row.reason


def test_a_part_of_the_work_has_the_parts_roof_time() -> None:
    kernel = load_kernel("bmm_fp8")
    here = point(kernel.name, "q_nope * w_kc", 8)
    whole = analytic_row(kernel, here, H200)
    part = analytic_row(kernel, here, H200, Division(tp=8))
    assert part.roof_time_us == pytest.approx(whole.roof_time_us / 8)


def test_calls_without_a_file_or_op_have_no_row() -> None:
    calls = [
        Call(kernel="rmsnorm", op="input_layernorm"),
        Call(kernel="rmsnorm", op="no_such_op"),
        Call(kernel="no_such_kernel", op="x"),
    ]
    rows = analytic_rows(calls, point("", "", 4, kv_len=1024), B200)
    assert list(rows) == calls[:1]
    assert rows[calls[0]].point.kv_len is None
    assert rows[calls[0]].m == 4


def test_only_a_kernel_with_a_context_axis_gets_the_context_length() -> None:
    call = Call(kernel="cutlass_mla_decode", op="attn_mqa")
    rows = analytic_rows([call], point("", "", 4, kv_len=1024), B200)
    assert rows[call].point.kv_len == 1024
    assert analytic_rows([call], point("", "", 4), B200) == {}
