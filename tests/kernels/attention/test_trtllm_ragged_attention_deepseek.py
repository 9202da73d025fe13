from dsprof.kernels import mla
from tests.kernels.attention.conftest import MakeProblem, Recorder

NAME = "trtllm_ragged_attention_deepseek"


def test_the_call_is_causal_over_whole_prompts(problem: MakeProblem) -> None:
    attend = Recorder()
    case = problem(NAME, batch_size=3, seq_len=4, heads=2)
    run = case.prepare({NAME: attend})
    assert run()["out"] is case.args["out"]
    given = attend.given
    assert given["is_causal"] is True
    assert given["return_lse"] is False
    assert (given["batch_size"], given["max_q_len"], given["max_kv_len"]) == (3, 4, 4)
    assert given["window_left"] == -1
    assert given["cum_seq_lens_q"].tolist() == [0, 4, 8, 12]
    assert given["cum_seq_lens_kv"].tolist() == [0, 4, 8, 12]
    assert given["seq_lens"].tolist() == [4, 4, 4]
    assert given["bmm1_scale"] == mla.SOFTMAX_SCALE
    assert given["bmm2_scale"] == 1.0


def test_operands_are_the_models_and_scratch_is_zeroed(problem: MakeProblem) -> None:
    attend = Recorder()
    case = problem(NAME, batch_size=1, seq_len=4, heads=2)
    case.prepare({NAME: attend})()
    for name in ("query", "key", "value", "out"):
        assert attend.given[name] is case.args[name]
    workspace = attend.given["workspace_buffer"]
    assert workspace.numel() == mla.TRTLLM_WORKSPACE_BYTES
    assert not bool(workspace.any())
