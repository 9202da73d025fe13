import pytest
import torch

from dsprof.harness.check import compare
from dsprof.harness.records import Phase, Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels.registry import load_kernel
from dsprof.kernels.spec import Kernel, Tensors, Workload

NAME = "fp8_blockwise_scaled_mm"


def case(tokens: int, op: str = "q_b_proj") -> tuple[Kernel, Workload, Tensors]:
    kernel = load_kernel(NAME)
    point = Point(kernel=NAME, op=op, phase=Phase.DECODE, batch_size=tokens, seq_len=1)
    work = kernel.small_workload(point)
    return kernel, work, kernel.make_inputs(work, DeviceTensors("cpu", point))


def test_the_reference_scales_each_block_of_128() -> None:
    kernel, work, args = case(5)
    out = kernel.reference(work, args)["out"]
    for token, column in [(0, 0), (4, 383), (2, 200)]:
        total = torch.zeros((), dtype=torch.float64)
        for block in range(work["k"] // 128):
            part = slice(block * 128, block * 128 + 128)
            products = args["mat_a"][token, part].double()
            products = products * args["mat_b"][part, column].double()
            scale = (
                args["scales_a"][token, block] * args["scales_b"][block, column // 128]
            )
            total += products.sum() * scale
        assert out[token, column].item() == pytest.approx(total.item(), abs=1e-4)


@pytest.mark.parametrize(("tokens", "rows"), [(1, 4), (2, 4), (4, 4), (5, 8)])
def test_rows_are_padded_to_a_multiple_of_four(tokens: int, rows: int) -> None:
    kernel, work, args = case(tokens)
    assert args["mat_a"].shape == (rows, work["k"])
    assert args["scales_a"].shape == (rows, work["k"] // 128)
    assert kernel.reference(work, args)["out"].shape == (rows, work["n"])


def test_scales_of_rows_and_both_sides_of_the_weight_are_column_major() -> None:
    _, work, args = case(8)
    blocks = work["k"] // 128
    assert args["mat_b"].stride() == (1, work["k"])
    assert args["scales_a"].stride() == (1, 8)
    assert args["scales_b"].shape == (blocks, work["n"] // 128)
    assert args["scales_b"].stride() == (1, blocks)


@pytest.mark.parametrize("scales", ["scales_a", "scales_b"])
@pytest.mark.parametrize("dimension", [0, 1])
def test_a_misplaced_scale_is_caught(scales: str, dimension: int) -> None:
    kernel, work, args = case(8)
    got = kernel.reference(work, args | {scales: args[scales].roll(1, dimension)})
    assert not compare(kernel, work, args, got, kernel.reference(work, args)).passed


def test_it_says_why_it_takes_no_2112_output_features() -> None:
    kernel = load_kernel(NAME)
    reasons = {
        op.name: kernel.limit_reason(
            kernel.workload(
                Point(
                    kernel=NAME,
                    op=op.name,
                    phase=Phase.DECODE,
                    batch_size=1,
                    seq_len=1,
                )
            )
        )
        for op in kernel.ops
    }
    assert "128 output features" in (reasons.pop("fused_qkv_a_proj") or "")
    assert set(reasons.values()) == {None}
