import torch

from tests.kernels.conftest import Example


def test_the_reference_is_torchs_rms_norm_of_the_sum(example: Example) -> None:
    kernel, work, args = example("fused_add_rmsnorm", tokens=3)
    total = args["input"].double() + args["residual"].double()
    normed = torch.nn.functional.rms_norm(
        total, [7168], args["weight"].double(), eps=1e-6
    )
    outputs = kernel.reference(work, args)
    for name, expected in {"residual": total, "input": normed}.items():
        got = outputs[name].double()
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
