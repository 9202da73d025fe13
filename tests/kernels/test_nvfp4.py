import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsprof.kernels import nvfp4

tile_sizes = st.tuples(st.integers(1, 300), st.integers(1, 20))


def scales(*shape: int) -> torch.Tensor:
    """Distinct e4m3 scales where there are few; none is NaN or zero."""
    count = math.prod(shape)
    codes = torch.arange(count).remainder(0x7E).add(1).to(torch.uint8)
    return codes.view(shape).view(torch.float8_e4m3fn)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        *[(magnitude, code) for code, magnitude in enumerate(nvfp4.MAGNITUDES)],
        *[(-magnitude, code + 8) for code, magnitude in enumerate(nvfp4.MAGNITUDES)],
        (0.3, 1),
        (4.9, 6),
        (5.1, 7),
        (-100.0, 15),
    ],
)
def test_a_value_gets_the_nearest_code(value: float, code: int) -> None:
    assert nvfp4.encode(torch.tensor([value])).tolist() == [code]


def test_a_tie_goes_to_the_even_code() -> None:
    middles = torch.tensor([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0])
    assert nvfp4.encode(middles).tolist() == [0, 2, 2, 4, 4, 6, 6]
    assert nvfp4.encode(-middles).tolist() == [8, 10, 10, 12, 12, 14, 14]


@given(st.floats(-6, 6, width=32))
def test_no_other_code_is_nearer(value: float) -> None:
    code = int(nvfp4.encode(torch.tensor([value])))
    error = abs(abs(value) - nvfp4.MAGNITUDES[code % 8])
    assert error == min(abs(abs(value) - other) for other in nvfp4.MAGNITUDES)
    assert (code >= 8) == (math.copysign(1, value) < 0)


def test_the_even_column_is_in_the_low_nibble() -> None:
    codes = torch.arange(16, dtype=torch.uint8)
    packed = nvfp4.pack(codes)
    assert packed.tolist() == [0x10, 0x32, 0x54, 0x76, 0x98, 0xBA, 0xDC, 0xFE]
    magnitudes = list(nvfp4.MAGNITUDES)
    assert nvfp4.decode(packed).tolist() == magnitudes + [-m for m in magnitudes]


def test_packed_codes_are_decoded_as_they_were_encoded() -> None:
    packed = torch.arange(256, dtype=torch.uint8).view(8, 32)
    assert torch.equal(nvfp4.pack(nvfp4.encode(nvfp4.decode(packed))), packed)


@given(st.integers(0, 99), st.floats(2.0**-20, 2.0**20))
def test_a_round_trip_errs_by_less_than_a_step(seed: int, magnitude: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = magnitude * torch.randn(7, 96, generator=generator)
    packed, block_scales, scale = nvfp4.quantize(x)
    error = (nvfp4.dequantize(packed, block_scales, scale) - x).abs()
    # The widest step, 4 to 6, is a third of a block's largest value, so half of one is
    # a sixth; the e4m3 scale is off by up to a sixteenth, or half its least step.
    amax = x.unflatten(-1, (-1, 16)).abs().amax(-1).repeat_interleave(16, -1)
    assert bool((error <= amax * (1 / 6 + 1 / 16) + 6 * 2.0**-10 / scale).all())
    assert (error.norm() / x.norm()).item() < 0.12


def test_the_largest_value_has_the_largest_code_and_scale() -> None:
    x = torch.randn(4, 64)
    x[2, 37] = -9.0
    packed, block_scales, scale = nvfp4.quantize(x)
    assert scale.item() == pytest.approx(448 * 6 / 9)
    assert block_scales[2, 37 // 16].item() == 448
    assert nvfp4.decode(packed)[2, 37].item() == -6


def test_zeros_stay_zeros() -> None:
    packed, block_scales, scale = nvfp4.quantize(torch.zeros(2, 32))
    assert not nvfp4.dequantize(packed, block_scales, scale).any()


def test_each_expert_may_have_a_global_scale_of_its_own() -> None:
    x = torch.randn(3, 4, 32) * torch.tensor([1.0, 100.0, 0.01]).view(3, 1, 1)
    each = torch.stack([nvfp4.global_scale(expert) for expert in x]).view(3, 1, 1)
    packed, block_scales, scale = nvfp4.quantize(x, each)
    got = nvfp4.dequantize(packed, block_scales, scale)
    for expert in range(3):
        alone = nvfp4.dequantize(*nvfp4.quantize(x[expert]))
        torch.testing.assert_close(got[expert], alone)


@given(tile_sizes)
def test_every_scale_lies_where_the_tile_layout_puts_it(size: tuple[int, int]) -> None:
    rows, columns = size
    linear = scales(rows, columns).view(torch.uint8)
    swizzled = nvfp4.swizzle(scales(rows, columns))
    assert swizzled.shape == (-(-rows // 128) * 128, -(-columns // 4) * 4)
    m = torch.arange(rows).view(-1, 1)
    k = torch.arange(columns)
    offsets = m // 128 * -(-columns // 4) * 512 + k // 4 * 512
    offsets = offsets + m % 32 * 16 + m % 128 // 32 * 4 + k % 4
    laid_out = swizzled.view(torch.uint8).flatten()
    assert torch.equal(laid_out[offsets], linear)
    laid_out[offsets] = 0
    assert not laid_out.any()  # the padding


@given(tile_sizes, st.integers(1, 3))
def test_unswizzled_scales_are_the_linear_ones(
    size: tuple[int, int], experts: int
) -> None:
    linear = scales(experts, *size)
    back = nvfp4.unswizzle(nvfp4.swizzle(linear), *size)
    assert torch.equal(back.view(torch.uint8), linear.view(torch.uint8))


def test_parts_that_begin_at_whole_tiles_are_swizzled_apart() -> None:
    first, second = scales(128, 8), scales(256, 8)
    together = nvfp4.swizzle(torch.cat([first, second])).view(torch.uint8)
    assert torch.equal(together[:128], nvfp4.swizzle(first).view(torch.uint8))
    assert torch.equal(together[128:], nvfp4.swizzle(second).view(torch.uint8))


def test_each_experts_scales_begin_at_a_whole_tile() -> None:
    rows = nvfp4.padded_row_of(torch.tensor([3, 0, 129, 1])).tolist()
    # 3 rows fill one tile, none fills none, 129 rows fill two.
    assert rows == [0, 1, 2, *range(128, 257), 384]


def test_shapes_are_known_without_values() -> None:
    x = torch.empty(200, 7168, dtype=torch.bfloat16, device="meta")
    packed, block_scales, scale = nvfp4.quantize(x)
    assert packed.shape == (200, 3584)
    swizzled = nvfp4.swizzle(block_scales)
    assert swizzled.shape == (256, 448)
    assert swizzled.dtype == torch.float8_e4m3fn
    linear = nvfp4.unswizzle(swizzled, 200, 448)
    assert nvfp4.dequantize(packed, linear, scale).shape == (200, 7168)
