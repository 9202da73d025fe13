from collections.abc import Callable
from typing import Any

import pytest
import torch

from dsprof.harness.check import compare
from dsprof.harness.records import Phase, Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels.gemm.cutlass_scaled_fp4_mm import call, call_flashinfer
from dsprof.kernels.nvfp4 import MAGNITUDES
from dsprof.kernels.registry import load_kernel
from dsprof.kernels.spec import Kernel, Tensors, Workload

NAME = "cutlass_scaled_fp4_mm"


def case(tokens: int = 5) -> tuple[Kernel, Workload, Tensors]:
    kernel = load_kernel(NAME)
    point = Point(
        kernel=NAME, op="o_proj", phase=Phase.DECODE, batch_size=tokens, seq_len=1
    )
    work = kernel.small_workload(point)
    return kernel, work, kernel.make_inputs(work, DeviceTensors("cpu", point))


def value(args: Tensors, operand: str, row: int, column: int) -> float:
    """One element, by the definitions of the packing and of the tile layout."""
    byte = int(args[operand][row, column // 2])
    code = byte >> 4 if column % 2 else byte & 15
    scales = args[f"block_scale_{operand}"]
    block, tiles = column // 16, scales.shape[1] // 4
    offset = row // 128 * tiles * 512 + block // 4 * 512
    offset += row % 32 * 16 + row % 128 // 32 * 4 + block % 4
    sign = -1 if code & 8 else 1
    return sign * MAGNITUDES[code & 7] * scales.flatten()[offset].float().item()


def test_the_reference_is_a_sum_over_decoded_values() -> None:
    kernel, work, args = case()
    out = kernel.reference(work, args)["out"]
    for token, column in [(0, 0), (4, 383), (2, 129)]:
        total = sum(
            value(args, "a", token, i) * value(args, "b", column, i)
            for i in range(work["k"])
        )
        expected = total * args["alpha"].item()
        assert out[token, column].item() == pytest.approx(expected, abs=1e-4)


def test_outputs_are_of_order_one() -> None:
    kernel, work, args = case(tokens=64)
    assert kernel.reference(work, args)["out"].std().item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("op", "padded"), [("fused_qkv_a_proj", 2176), ("o_proj", 7168)]
)
def test_scales_are_padded_to_whole_tiles(op: str, padded: int) -> None:
    kernel = load_kernel(NAME)
    point = Point(kernel=NAME, op=op, phase=Phase.DECODE, batch_size=2, seq_len=1)
    work = kernel.workload(point)
    args = kernel.make_inputs(work, DeviceTensors("meta", point))
    assert args["block_scale_a"].shape == (128, work["k"] // 16)
    assert args["block_scale_b"].shape == (padded, work["k"] // 16)
    assert args["block_scale_a"].dtype == torch.float8_e4m3fn
    assert args["a"].shape == (2, work["k"] // 2)
    assert args["b"].shape == (work["n"], work["k"] // 2)


@pytest.mark.parametrize("scales", ["block_scale_a", "block_scale_b"])
def test_scales_that_are_not_swizzled_are_caught(scales: str) -> None:
    kernel, work, args = case(tokens=128)
    rolled = args[scales].view(torch.uint8).roll(4, 1).view(torch.float8_e4m3fn)
    got = kernel.reference(work, args | {scales: rolled})
    assert not compare(kernel, work, args, got, kernel.reference(work, args)).passed


def test_a_forgotten_alpha_is_caught() -> None:
    kernel, work, args = case()
    expected = kernel.reference(work, args)
    got = {"out": expected["out"] / args["alpha"]}
    assert not compare(kernel, work, args, got, expected).passed


@pytest.mark.parametrize(
    ("caller", "names"),
    [
        (call, ("a", "b", "block_scale_a", "block_scale_b", "alpha", "out_dtype")),
        # flashinfer: k comes before n, so both arguments are transposed views.
        (call_flashinfer, ("a", "b.T", "block_scale_a", "block_scale_b.T")),
    ],
)
def test_each_package_gets_its_own_argument_order(
    caller: Callable[..., Tensors], names: tuple[str, ...]
) -> None:
    _, _, args = case()
    given: dict[str, Any] = {}

    def function(*values: object, **named: object) -> torch.Tensor:
        given.update(zip(names, values, strict=True), **named)
        return torch.zeros(1)

    assert caller(function, args)["out"].tolist() == [0]
    assert given.pop("out_dtype") == torch.bfloat16
    for name, got in given.items():
        tensor = args[name.removesuffix(".T")]
        expected = tensor.T if name.endswith(".T") else tensor
        assert got.data_ptr() == tensor.data_ptr()
        assert (got.shape, got.stride()) == (expected.shape, expected.stride())
    assert len(given) == len(args)


def test_it_needs_a_chip_with_fp4_matrix_units() -> None:
    reason = load_kernel(NAME).capability_reason((9, 0)) or ""
    assert "needs compute capability 10.0" in reason
