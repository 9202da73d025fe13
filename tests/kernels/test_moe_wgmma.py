"""What the Hopper GEMMs' binder refuses, where there is no GPU to bind them on."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dsprof.kernels.moe_configs import GemmConfig
from dsprof.kernels.moe_gemm import Operands, RowList
from dsprof.kernels.moe_wgmma import bind_gate_up, bind_gemm, bind_pairing, make_tiles

E4M3 = torch.float8_e4m3fn
CONFIG = GemmConfig(
    block_n=128,
    block_k_bytes=128,
    group_m=8,
    split_k=1,
    warps=4,
    stages=3,
    swap=False,
    tma=True,
)
HOPPER = SimpleNamespace(name="Toy", major=9, minor=0, multi_processor_count=132)


def empty(*shape: int, dtype: torch.dtype = E4M3) -> torch.Tensor:
    """A tensor of this shape, without memory behind it."""
    return torch.empty(shape, dtype=dtype, device="meta")


def row_list(block_rows: int) -> RowList:
    return RowList(
        block_rows=block_rows,
        sorted_token_ids=empty(block_rows, dtype=torch.int32),
        expert_ids=empty(1, dtype=torch.int32),
        num_tokens_post_padded=empty(1, dtype=torch.int32),
    )


def operands(tokens: int, n: int, k: int) -> Operands:
    scales = empty(1, dtype=torch.float32)
    return Operands(
        a=empty(tokens, k), a_scales=scales, b=empty(2, n, k), b_scales=scales
    )


def bind(given: Operands, out: torch.Tensor) -> object:
    """Bind the GEMM whose output is quantised if it is e4m3, else the plain one."""
    rows = row_list(64)
    tiles = make_tiles(rows)
    kernel: Any = {(HOPPER.multi_processor_count,): print}
    if out.dtype == E4M3:
        return bind_gate_up(kernel, given, rows, tiles, CONFIG, out, given.a_scales)
    return bind_gemm(kernel, given, rows, tiles, CONFIG, out, is_weighted=True)


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The GPU that torch sees."""
    found = SimpleNamespace(**vars(HOPPER))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: found)
    return found


def test_a_list_in_other_blocks_is_refused() -> None:
    rows = row_list(128)
    with pytest.raises(ValueError, match="blocks have 128 rows, not 64"):
        bind_pairing(None, rows, make_tiles(rows))


@pytest.mark.parametrize(("n", "k"), [(384, 128), (256, 192)])
def test_weights_that_are_not_whole_tiles_are_refused(n: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"weights are {n} x {k}, not whole tiles"):
        bind(operands(4, n, k), empty(8, n, dtype=torch.bfloat16))


# Of the model's first GEMM, 8 assignments a token and 7168 columns in, 2048 out.
@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        # 131,072 * 8 * 2048 = 2^31
        (131_072, r"out has 2,147,483,648 elements, .* reach 2,147,483,647; call with"),
        (300_000, "out has 4,915,200,000 elements"),
    ],
)
def test_codes_beyond_int32_offsets_are_refused(tokens: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bind(operands(tokens, 4096, 7168), empty(8 * tokens, 2048))


def test_rows_beyond_int32_offsets_are_refused() -> None:
    # 299,594 * 7168 = 2,147,489,792, over 2^31 = 2,147,483,648 by 6,144
    with pytest.raises(ValueError, match="a has 2,147,489,792 elements"):
        bind(operands(299_594, 256, 7168), empty(1, dtype=torch.bfloat16))


def test_offsets_that_int32_still_reaches_are_accepted() -> None:
    assert bind(operands(131_071, 4096, 7168), empty(8 * 131_071, 2048))
    # Rows of BF16 are written at 64-bit offsets: 8 * 131,071 * 7168 is 3.5 * 2^31.
    out = empty(8 * 131_071, 7168, dtype=torch.bfloat16)
    assert bind(operands(8 * 131_071, 7168, 2048), out)


def test_another_compute_capability_is_refused(gpu: SimpleNamespace) -> None:
    gpu.major = 10
    with pytest.raises(ValueError, match=r"compute capability 10\.0, for which"):
        bind(operands(4, 256, 128), empty(32, 128))
