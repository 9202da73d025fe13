import pytest
import torch

from dsprof.harness.check import compare
from dsprof.harness.device import Datapath
from dsprof.harness.records import Phase, Point
from dsprof.kernels.registry import load_kernel
from tests.kernels.conftest import Example

NAME = "sgl_per_token_group_quant_8bit"


def test_the_reference_scales_128_columns_by_their_largest(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=3)
    out = kernel.reference(work, args)
    for row, group in [(0, 0), (2, 55), (1, 30)]:
        columns = slice(group * 128, group * 128 + 128)
        values = args["input"][row, columns].float()
        scale = out["output_s"][row, group].item()
        assert scale == pytest.approx(values.abs().max().item() / 448)
        codes = (values / scale).to(torch.float8_e4m3fn).float()
        assert torch.equal(out["output_q"][row, columns], codes)


@pytest.mark.parametrize(
    ("op", "shape", "stride"),
    [
        ("experts", (4, 56), (56, 1)),
        ("experts (down)", (32, 16), (16, 1)),
        ("hidden", (4, 56), (1, 4)),
        ("o_proj", (4, 128), (1, 4)),
        ("shared_experts.down", (4, 16), (1, 4)),
        ("dense_mlp.down", (4, 144), (1, 4)),
    ],
)
def test_scales_are_in_the_order_that_the_gemm_reads(
    example: Example, op: str, shape: tuple[int, int], stride: tuple[int, int]
) -> None:
    _, _, args = example(NAME, tokens=4, op=op)
    assert args["input"].shape == (shape[0], shape[1] * 128)
    assert args["output_s"].shape == shape
    assert args["output_s"].stride() == stride


def test_a_code_that_is_as_near_passes_and_the_next_one_does_not(
    example: Example,
) -> None:
    kernel, work, args = example(NAME, tokens=1)
    # The largest value makes the scale 1, so 17 lies midway between 16 and 18.
    args["input"][0, :2] = torch.tensor([448.0, 17.0])
    args["input"][0, 2:128] = 0
    expected = kernel.reference(work, args)
    assert expected["output_q"][0, :2].tolist() == [448, 16]
    for code, passes in [(18, True), (20, False), (15, False)]:
        changed = expected["output_q"].clone()
        changed[0, 1] = code
        got = expected | {"output_q": changed}
        assert compare(kernel, work, args, got, expected).passed == passes


def test_scales_of_the_wrong_order_are_caught(example: Example) -> None:
    kernel, work, args = example(NAME, tokens=4)
    expected = kernel.reference(work, args)
    scales = expected["output_s"]
    got = expected | {"output_s": scales.T.reshape(scales.shape)}
    assert not compare(kernel, work, args, got, expected).passed


@pytest.mark.parametrize(
    ("op", "elements", "bytes_per_token"),
    [
        # Two bytes in, one and 4 / 128 out an element.
        ("experts", 7168, 21_728),
        ("experts (down)", 8 * 2048, 8 * 6_208),
        ("hidden", 7168, 21_728),
        ("o_proj", 16384, 49_664),
        ("shared_experts.down", 2048, 6_208),
        ("dense_mlp.down", 18432, 55_872),
    ],
)
def test_cost_is_the_sum_worked_out_by_hand(
    op: str, elements: int, bytes_per_token: int
) -> None:
    kernel = load_kernel(NAME)
    point = Point(kernel=NAME, op=op, phase=Phase.DECODE, batch_size=5, seq_len=1)
    cost = kernel.cost(kernel.workload(point))
    assert cost.flops == {Datapath.FP32: 5 * 3 * elements}
    assert cost.bytes_read == 5 * 2 * elements
    assert cost.bytes_read + cost.bytes_written == 5 * bytes_per_token
