from collections.abc import Callable

import pytest
import torch

from dsprof.harness.device import Datapath
from dsprof.kernels import rope
from dsprof.kernels.registry import load_kernel
from dsprof.kernels.spec import Tensors
from tests.kernels.attention.conftest import MakeProblem

NAME = "apply_rope_with_cos_sin_cache_inplace"
PROVIDERS = [provider.name for provider in load_kernel(NAME).providers]


def turn(x: torch.Tensor, positions: torch.Tensor, cos_sin_cache: torch.Tensor) -> None:
    args: Tensors = {"positions": positions, "cos_sin_cache": cos_sin_cache}
    x.copy_(rope.rotate(x, args))


# Each package's own parameters, in its order; any other call of them is an error.


def of_sgl_kernel(  # noqa: PLR0913, PLR0917 -- the package's parameters
    positions: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    head_size: int,
    cos_sin_cache: torch.Tensor,
    is_neox: bool = True,  # noqa: FBT001, FBT002
    fused_set_kv_buffer_arg: object = None,
    enable_pdl: bool | None = None,  # noqa: FBT001
) -> None:
    assert (head_size, is_neox, enable_pdl) == (64, False, False)
    assert fused_set_kv_buffer_arg is None
    for x in (query, key):
        turn(x, positions, cos_sin_cache)


def of_flashinfer(  # noqa: PLR0913, PLR0917
    positions: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    head_size: int,
    cos_sin_cache: torch.Tensor,
    is_neox: bool = True,  # noqa: FBT001, FBT002
) -> None:
    assert (head_size, is_neox) == (64, False)
    for x in (query, key):
        turn(x, positions, cos_sin_cache)


def of_sglang(
    q: torch.Tensor,
    k: torch.Tensor,
    cos_sin_cache: torch.Tensor,
    positions: torch.Tensor,
    *,
    is_neox: bool,
) -> None:
    assert is_neox is False
    for x in (q, k):
        turn(x, positions, cos_sin_cache)


@pytest.mark.parametrize(
    ("provider", "function"),
    [
        ("sgl_kernel", of_sgl_kernel),
        ("flashinfer", of_flashinfer),
        ("sglang-jit_kernel", of_sglang),
        ("sglang-ops", of_sglang),
    ],
)
def test_each_package_gets_its_own_order_of_arguments(
    problem: MakeProblem, provider: str, function: Callable[..., None]
) -> None:
    case = problem(NAME, batch_size=3)
    expected = case.kernel.reference(case.work, case.args)
    got = case.prepare({NAME: function}, provider=PROVIDERS.index(provider))()
    for name, tensor in expected.items():
        assert got[name] is case.args[name]
        torch.testing.assert_close(got[name].float(), tensor, rtol=1e-2, atol=1e-2)


def test_sgl_kernels_function_is_tried_first() -> None:
    assert PROVIDERS == ["sgl_kernel", "flashinfer", "sglang-jit_kernel", "sglang-ops"]


def test_query_and_key_are_views_of_what_the_projections_write(
    problem: MakeProblem,
) -> None:
    args = problem(NAME, batch_size=3).args
    assert args["query"].shape == (3, 128, 64)
    assert args["query"].stride() == (24_576, 192, 1)
    assert args["query"].storage_offset() == 128
    assert args["key"].shape == (3, 1, 64)
    assert args["key"].stride()[0] == 2112
    assert args["key"].storage_offset() == 2048


@pytest.mark.parametrize(("batch_size", "seq_len"), [(1, 1), (128, 1), (2, 300)])
def test_a_token_costs_24768_flop_and_33288_bytes(
    problem: MakeProblem, batch_size: int, seq_len: int
) -> None:
    case = problem(NAME, batch_size=batch_size, seq_len=seq_len)
    cost = case.kernel.cost(case.work)
    tokens = batch_size * seq_len
    # 129 heads of 64 elements, 3 FLOP each.
    assert cost.flops == {Datapath.FP32: 24_768 * tokens}
    # 129 * 64 BF16 in and out; 64 FP32 of cosines and sines; an int64.
    assert cost.bytes_read + cost.bytes_written == (33_024 + 264) * tokens
