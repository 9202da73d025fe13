import pytest
import torch

from dsprof.harness.records import Phase, Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels import rope
from dsprof.kernels.spec import Tensors, Workload

POSITIONS = 4096


def inputs(*, requests: int, seq_len: int, positions: int = POSITIONS) -> Tensors:
    point = Point(
        kernel="rope",
        op="rotary_emb",
        phase=Phase.DECODE if seq_len == 1 else Phase.PREFILL,
        batch_size=requests,
        seq_len=seq_len,
    )
    work = Workload(point=point, axes={"positions": positions})
    return rope.position_inputs(work, DeviceTensors("cpu", point))


def test_a_pair_turns_as_a_complex_number_does() -> None:
    args = inputs(requests=3, seq_len=2)
    x = torch.randn(6, 5, 64, generator=torch.Generator().manual_seed(0))
    pairs = torch.view_as_complex(x.double().view(6, 5, 32, 2))
    frequency = 10_000.0 ** (-torch.arange(32, dtype=torch.float64) / 32)
    angle = args["positions"].double()[:, None] * frequency
    turned = pairs * torch.polar(torch.ones_like(angle), angle)[:, None]
    expected = torch.view_as_real(turned).flatten(-2)
    # The table's angles are FP32: of 4096 radians, to about 2e-4.
    torch.testing.assert_close(
        rope.rotate(x, args).double(), expected, rtol=1e-3, atol=1e-3
    )


def test_turning_halves_instead_of_pairs_gives_another_result() -> None:
    args = inputs(requests=2, seq_len=1)
    x = torch.randn(2, 1, 64, generator=torch.Generator().manual_seed(0))
    cos, sin = args["cos_sin_cache"][args["positions"]][:, None].chunk(2, dim=-1)
    first, second = x.chunk(2, dim=-1)
    halves = torch.cat([first * cos - second * sin, second * cos + first * sin], -1)
    assert not torch.allclose(rope.rotate(x, args), halves, atol=0.1)


def test_rotation_keeps_lengths_and_takes_rows_without_heads() -> None:
    args = inputs(requests=4, seq_len=1)
    x = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    turned = rope.rotate(x, args)
    assert turned.shape == x.shape
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(turned, rope.rotate(x[:, None], args)[:, 0])


def test_the_table_has_cosines_then_sines_of_every_position() -> None:
    table = inputs(requests=1, seq_len=1)["cos_sin_cache"]
    assert table.shape == (POSITIONS, 64)
    assert table.dtype == torch.float32
    assert table.is_contiguous()
    assert table[0].tolist() == [1.0] * 32 + [0.0] * 32
    # Position 1 turns the first pair by 1 rad, the last by 10000 ** (-31 / 32).
    assert table[1, 0].item() == pytest.approx(0.5403023)
    assert table[1, 32].item() == pytest.approx(0.8414710)
    assert table[1, 63].item() == pytest.approx(1.3335214e-4)


@pytest.mark.parametrize(
    ("requests", "seq_len"), [(1, 1), (128, 1), (1, 2048), (8, 128), (8, 512)]
)
def test_every_token_has_a_position_of_its_own_in_its_prompts_order(
    requests: int, seq_len: int
) -> None:
    positions = inputs(requests=requests, seq_len=seq_len)["positions"]
    assert positions.dtype == torch.int64
    assert len(set(positions.tolist())) == requests * seq_len
    assert bool((positions.view(requests, seq_len).diff(dim=-1) == 1).all())
    assert int(positions.min()) >= 0
    assert int(positions.max()) == POSITIONS // requests * requests - 1
    if requests * seq_len < POSITIONS:
        assert bool((positions != torch.arange(len(positions))).all())
