import pytest
import torch

from dsprof.harness.device import Datapath
from dsprof.kernels import mla
from tests.kernels.attention.conftest import MakeProblem, Recorder

NAME = "trtllm_batch_decode_with_kv_cache_mla"


def test_the_call_gets_fp8_operands_and_zeroed_scratch(problem: MakeProblem) -> None:
    attend = Recorder()
    case = problem(NAME, batch_size=2, kv_len=100)
    run = case.prepare({NAME: attend})
    assert run()["out"] is case.args["out"]
    given = attend.given
    assert given["query"].shape == (2, 1, 128, 576)
    assert given["kv_cache"].shape == (4, 1, 64, 576)
    assert {given["query"].dtype, given["kv_cache"].dtype} == {torch.float8_e4m3fn}
    assert given["out"].shape == (2, 1, 128, 512)
    assert given["out"].dtype == torch.bfloat16
    assert given["out"].data_ptr() == case.args["out"].data_ptr()
    assert given["workspace_buffer"].numel() == mla.TRTLLM_WORKSPACE_BYTES
    assert not bool(given["workspace_buffer"].any())


def test_the_call_gets_the_models_sizes_and_the_softmax_scale(
    problem: MakeProblem,
) -> None:
    attend = Recorder()
    problem(NAME, batch_size=2, kv_len=100).prepare({NAME: attend})()
    given = attend.given
    assert (given["qk_nope_head_dim"], given["kv_lora_rank"]) == (128, 512)
    assert given["qk_rope_head_dim"] == 64
    assert given["max_seq_len"] == 100
    assert given["bmm1_scale"] == mla.SOFTMAX_SCALE
    assert given["bmm2_scale"] == 1.0
    assert given["enable_pdl"] is False


@pytest.mark.parametrize("kv_len", [1, 64, 65, 100, 129, 1024])
def test_a_table_has_an_even_number_of_64_row_pages(
    problem: MakeProblem, kv_len: int
) -> None:
    case = problem(NAME, batch_size=1, kv_len=kv_len)
    assert case.args["page_table"].shape[1] % 2 == 0


def test_fp8_halves_what_is_read_and_not_what_is_written(problem: MakeProblem) -> None:
    case = problem(NAME, batch_size=3, kv_len=1024)
    cost = case.kernel.cost(case.work)
    # 128 * 576 of query, 1024 * 576 of cache, 16 pages; 128 * 512 BF16 of output.
    assert cost.bytes_read == 3 * (73_728 + 589_824 + 64)
    assert cost.bytes_written == 3 * 131_072
    assert cost.flops == {Datapath.FP8_TENSOR: 278_528 * 3 * 1024}
