import pytest
import torch

from tests.kernels.conftest import Example


@pytest.mark.parametrize("op", ["input_layernorm", "q_a_layernorm", "kv_a_layernorm"])
def test_the_reference_is_torchs_rms_norm(example: Example, op: str) -> None:
    kernel, work, args = example("rmsnorm", op=op, tokens=3)
    expected = torch.nn.functional.rms_norm(
        args["input"].double(), [work["n"]], args["weight"].double(), eps=1e-6
    )
    out = kernel.reference(work, args)["out"]
    torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("op", "offset"), [("q_a_layernorm", 0), ("kv_a_layernorm", 1536)]
)
def test_latents_are_columns_of_the_fused_projection(
    example: Example, op: str, offset: int
) -> None:
    _, _, args = example("rmsnorm", op=op, tokens=3)
    assert args["input"].stride() == (2112, 1)
    assert args["input"].storage_offset() == offset
