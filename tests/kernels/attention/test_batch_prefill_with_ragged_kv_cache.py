import torch

from dsprof.kernels import mla
from tests.kernels.attention.conftest import MakeProblem, RecordingWrapper

NAME = "batch_prefill_with_ragged_kv_cache"


def test_the_plan_is_causal_with_unequal_head_sizes(problem: MakeProblem) -> None:
    wrapper = RecordingWrapper()
    case = problem(NAME, batch_size=2, seq_len=4, heads=2)
    case.prepare({"BatchPrefillWithRaggedKVCacheWrapper": wrapper.constructor})
    plan = wrapper.plan.given
    assert plan["qo_indptr"].tolist() == plan["kv_indptr"].tolist() == [0, 4, 8]
    assert (plan["num_qo_heads"], plan["num_kv_heads"]) == (2, 2)
    assert (plan["head_dim_qk"], plan["head_dim_vo"]) == (192, 128)
    assert plan["causal"] is True
    assert plan["sm_scale"] == mla.SOFTMAX_SCALE
    # The package's default is float16.
    assert plan["q_data_type"] == plan["kv_data_type"] == torch.bfloat16
    assert wrapper.constructor.given == {"backend": "fa3"}


def test_only_the_run_is_timed(problem: MakeProblem) -> None:
    wrapper = RecordingWrapper()
    case = problem(NAME, batch_size=2, seq_len=4, heads=2)
    run = case.prepare({"BatchPrefillWithRaggedKVCacheWrapper": wrapper.constructor})
    wrapper.plan.given = {}
    assert run()["out"] is case.args["out"]
    assert wrapper.plan.given == {}
    assert all(
        given is case.args[name]
        for given, name in zip(
            wrapper.run.positional, ("query", "key", "value"), strict=True
        )
    )
    assert wrapper.run.given["out"] is case.args["out"]
