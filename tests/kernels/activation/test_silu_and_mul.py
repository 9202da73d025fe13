import pytest
import torch

from tests.kernels.conftest import Example


@pytest.mark.parametrize(
    ("op", "rows", "n"),
    [
        ("act_fn", 24, 2048),
        ("shared_experts.act_fn", 3, 2048),
        ("dense_mlp.act_fn", 3, 18432),
    ],
)
def test_the_reference_is_torchs_silu_of_the_first_half_times_the_second(
    example: Example, op: str, rows: int, n: int
) -> None:
    kernel, work, args = example("silu_and_mul", op=op, tokens=3)
    x = args["input"].double()
    out = kernel.reference(work, args)["out"]
    assert out.shape == (rows, n)
    expected = torch.nn.functional.silu(x[:, :n]) * x[:, n:]
    torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=1e-6)
