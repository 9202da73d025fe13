import pytest
import torch

from dsprof.harness.check import compare
from dsprof.harness.device import Datapath
from dsprof.harness.records import Phase, Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels.registry import load_kernel


def point(phase: Phase, batch_size: int, seq_len: int) -> Point:
    return Point(
        kernel="lm_head",
        op="lm_head",
        phase=phase,
        batch_size=batch_size,
        seq_len=seq_len,
    )


@pytest.mark.parametrize("seq_len", [128, 2048])
def test_a_prompt_has_one_row_whatever_its_length(seq_len: int) -> None:
    kernel = load_kernel("lm_head")
    prefill = kernel.workload(point(Phase.PREFILL, 4, seq_len))
    decode = kernel.workload(point(Phase.DECODE, 4, 1))
    assert kernel.shape(prefill) == (4, 129280, 7168)
    assert kernel.cost(prefill) == kernel.cost(decode)
    args = kernel.make_inputs(prefill, DeviceTensors("meta", prefill.point))
    assert args["hidden_states"].shape == (4, 7168)


def test_its_weight_is_1_85_gb_a_pass() -> None:
    kernel = load_kernel("lm_head")
    cost = kernel.cost(kernel.workload(point(Phase.DECODE, 3, 1)))
    # 2 * 129280 * 7168 FLOP a request, as many bytes of weight; 7168 BF16 in and
    # 129280 out a request.
    assert cost.flops == {Datapath.BF16_TENSOR: 3 * 1_853_358_080}
    assert cost.bytes_read == 1_853_358_080 + 3 * 14_336
    assert cost.bytes_written == 3 * 258_560


def test_the_call_passes_the_check_of_the_reference() -> None:
    kernel = load_kernel("lm_head")
    work = kernel.small_workload(point(Phase.PREFILL, 3, 128))
    args = kernel.make_inputs(work, DeviceTensors("cpu", work.point))
    (provider,) = kernel.providers
    got = provider.prepare(provider.load(), work, args)()
    assert got["logits"].shape == (3, work["n"])
    expected = kernel.reference(work, args)
    assert compare(kernel, work, args, got, expected).passed
    by_hand = args["hidden_states"][2].double() @ args["weight"][7].double()
    torch.testing.assert_close(
        expected["logits"][2, 7].double(), by_hand, rtol=1e-5, atol=1e-5
    )
