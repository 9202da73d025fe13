import pytest
import torch

from dsprof.harness.check import compare
from dsprof.harness.device import Datapath
from dsprof.kernels import rope
from tests.kernels.attention.conftest import MakeProblem, Recorder

NAME = "mla_rope_quantize_fp8"


def test_outputs_are_columns_of_whole_queries_and_rows(problem: MakeProblem) -> None:
    quantize = Recorder()
    case = problem(NAME, batch_size=3)
    case.prepare({NAME: quantize})()
    given = quantize.given
    for part, whole in (("q", "query"), ("k", "key")):
        latent, rotary = given[f"{part}_nope_out"], given[f"{part}_rope_out"]
        assert latent.shape[-1] == 512
        assert rotary.shape[-1] == 64
        assert latent.data_ptr() == case.args[whole].data_ptr()
        assert rotary.data_ptr() == latent.data_ptr() + 512
        assert latent.stride() == rotary.stride() == case.args[whole].stride()
    assert given["is_neox"] is False
    assert given["enable_pdl"] is False
    assert given["pos_ids"] is case.args["positions"]


def test_inputs_are_views_of_what_the_products_before_it_write(
    problem: MakeProblem,
) -> None:
    args = problem(NAME, batch_size=3).args
    assert args["q_rope"].stride() == (24_576, 192, 1)
    assert args["k_rope"].shape == (3, 64)
    assert args["k_rope"].stride() == (2112, 1)
    assert args["q_nope"].shape == (3, 128, 512)
    assert args["q_nope"].transpose(0, 1).is_contiguous()
    assert args["k_nope"].is_contiguous()


def test_the_reference_scales_latent_and_turned_parts(problem: MakeProblem) -> None:
    case = problem(NAME, batch_size=2)
    expected = case.kernel.reference(case.work, case.args)
    args = case.args
    torch.testing.assert_close(
        expected["query"][..., :512], 0.75 * args["q_nope"].float()
    )
    torch.testing.assert_close(
        expected["key"][..., :512], 1.25 * args["k_nope"].float()
    )
    torch.testing.assert_close(
        expected["key"][..., 512:], 1.25 * rope.rotate(args["k_rope"], args)
    )


@pytest.mark.parametrize(("name", "scale"), [("query", 0.75), ("key", 1.25)])
def test_a_forgotten_factor_is_caught_and_rounding_is_not(
    problem: MakeProblem, name: str, scale: float
) -> None:
    case = problem(NAME, batch_size=2)
    expected = case.kernel.reference(case.work, case.args)
    rounded = {key: x.to(torch.float8_e4m3fn) for key, x in expected.items()}
    assert compare(case.kernel, case.work, case.args, rounded, expected).passed
    unscaled = rounded | {name: (expected[name] / scale).to(torch.float8_e4m3fn)}
    assert not compare(case.kernel, case.work, case.args, unscaled, expected).passed


@pytest.mark.parametrize("batch_size", [1, 16, 128])
def test_a_token_costs_99072_flop_and_223176_bytes(
    problem: MakeProblem, batch_size: int
) -> None:
    case = problem(NAME, batch_size=batch_size)
    cost = case.kernel.cost(case.work)
    # 129 * 64 elements of 3 FLOP, and 129 * 576 factors.
    assert cost.flops == {Datapath.FP32: 99_072 * batch_size}
    # 129 * 576 BF16 in and FP8 out; 64 FP32 of cosines and sines; an int64.
    assert cost.bytes_read == (148_608 + 264) * batch_size
    assert cost.bytes_written == 74_304 * batch_size
