import torch
from hypothesis import given
from hypothesis import strategies as st

from dsprof.kernels import fp8

# e4m3 has 3 bits of fraction, so rounding errs by at most 2^-4 of a value, or half of
# the least step, 2^-9, of the scale where values are that small.
RELATIVE = 2.0**-4
LEAST = 2.0**-10


def assert_rounded(
    got: torch.Tensor, expected: torch.Tensor, scales: torch.Tensor
) -> None:
    limit = expected.abs() * RELATIVE + scales * LEAST
    assert bool(((got - expected).abs() <= limit * 1.001).all())


@given(st.integers(1, 9), st.integers(1, 4), st.floats(2.0**-20, 2.0**20))
def test_a_group_of_128_columns_of_a_row_has_a_scale(
    rows: int, groups: int, magnitude: float
) -> None:
    x = magnitude * torch.randn(rows, groups * 128)
    quantized, scales = fp8.quantize_groups(x)
    assert quantized.dtype == torch.float8_e4m3fn
    for group in range(groups):
        columns = x[:, group * 128 : (group + 1) * 128]
        torch.testing.assert_close(scales[:, group], columns.abs().amax(1) / 448)
    by_column = scales.repeat_interleave(128, 1)
    assert_rounded(quantized.float() * by_column, x, by_column)
    assert torch.equal(
        fp8.dequantize_groups(quantized, scales), quantized.float() * by_column
    )


def test_a_row_has_a_scale() -> None:
    x = torch.randn(6, 80) * torch.tensor([1.0, 3, 9, 27, 81, 243]).view(-1, 1)
    quantized, scales = fp8.quantize_rows(x)
    torch.testing.assert_close(scales, x.abs().amax(1, keepdim=True) / 448)
    assert quantized.float().abs().amax(1).tolist() == [448.0] * 6
    assert_rounded(fp8.dequantize_groups(quantized, scales), x, scales)


@given(st.integers(1, 300), st.integers(1, 3), st.integers(1, 2))
def test_a_block_of_128_by_128_has_a_scale(
    rows: int, blocks: int, experts: int
) -> None:
    weight = torch.randn(experts, rows, blocks * 128)
    quantized, scales = fp8.quantize_blocks(weight)
    assert quantized.shape == weight.shape
    assert scales.shape == (experts, -(-rows // 128), blocks)
    got = fp8.dequantize_blocks(quantized, scales)
    for row in range(0, rows, 128):
        for column in range(0, blocks * 128, 128):
            place = (slice(None), slice(row, row + 128), slice(column, column + 128))
            block = weight[place]
            scale = scales[:, row // 128, column // 128]
            torch.testing.assert_close(scale, block.abs().amax((1, 2)) / 448)
            by_value = scale.view(-1, 1, 1)
            assert torch.equal(got[place], quantized[place].float() * by_value)
            assert_rounded(got[place], block, by_value)


def test_zeros_stay_zeros() -> None:
    for quantize in (fp8.quantize_groups, fp8.quantize_rows, fp8.quantize_blocks):
        quantized, scales = quantize(torch.zeros(2, 128))
        assert not quantized.float().any()
        assert bool((scales > 0).all())


def test_shapes_are_known_without_values() -> None:
    weight = torch.empty(256, 2112, 7168, dtype=torch.bfloat16, device="meta")
    quantized, scales = fp8.quantize_blocks(weight)
    assert quantized.shape == weight.shape
    assert scales.shape == (256, 17, 56)
    assert fp8.dequantize_blocks(quantized, scales).shape == weight.shape
