import torch

from tests.kernels.conftest import Example


def test_every_head_gets_its_own_part_and_the_shared_one(example: Example) -> None:
    kernel, work, args = example("concat_mla_k", tokens=3)
    k = kernel.reference(work, args)["k"]
    assert k.shape == (3, 128, 192)
    for token in range(3):
        for head in range(128):
            assert torch.equal(k[token, head, :128], args["k_nope"][token, head])
            assert torch.equal(k[token, head, 128:], args["k_rope"][token, 0])


def test_inputs_are_views_whose_rows_are_as_far_apart_as_in_the_model(
    example: Example,
) -> None:
    _, _, args = example("concat_mla_k", tokens=3)
    assert args["k_nope"].stride() == (128 * 256, 256, 1)
    assert args["k_rope"].stride() == (2112, 2112, 1)
    # The kernel refuses inputs that do not begin at a multiple of 16 bytes.
    assert args["k_rope"].storage_offset() * 2 % 16 == 0
