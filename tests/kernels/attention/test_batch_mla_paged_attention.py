import torch

from dsprof.kernels import mla
from tests.kernels.attention.conftest import MakeProblem, RecordingWrapper


def test_the_plan_lists_the_pages_that_hold_tokens(problem: MakeProblem) -> None:
    wrapper = RecordingWrapper()
    case = problem("batch_mla_paged_attention", batch_size=2, kv_len=150)
    case.prepare({"BatchMLAPagedAttentionWrapper": wrapper.constructor})
    plan = wrapper.plan.given
    assert plan["qo_indptr"].tolist() == [0, 1, 2]
    # 150 tokens need 3 pages of 64; the table has a fourth entry that is not used.
    assert plan["kv_indptr"].tolist() == [0, 3, 6]
    assert case.args["page_table"].shape == (2, 4)
    assert torch.equal(plan["kv_indices"], case.args["page_table"][:, :3].reshape(-1))
    assert plan["kv_len_arr"].tolist() == [150, 150]
    assert {plan["kv_indptr"].dtype, plan["kv_indices"].dtype} == {torch.int32}
    assert (plan["num_heads"], plan["page_size"]) == (128, 64)
    assert (plan["head_dim_ckv"], plan["head_dim_kpe"]) == (512, 64)
    assert plan["sm_scale"] == mla.SOFTMAX_SCALE
    assert wrapper.constructor.given == {"backend": "fa3"}


def test_the_run_gets_views_of_whole_queries_and_rows(problem: MakeProblem) -> None:
    wrapper = RecordingWrapper()
    case = problem("batch_mla_paged_attention", batch_size=2, kv_len=150)
    run = case.prepare({"BatchMLAPagedAttentionWrapper": wrapper.constructor})
    assert wrapper.run.given == {}
    assert run()["out"] is case.args["out"]
    given = wrapper.run.given
    assert given["out"] is case.args["out"]
    for latent, rotary, whole in (
        ("q_nope", "q_pe", "query"),
        ("ckv_cache", "kpe_cache", "kv_cache"),
    ):
        assert given[latent].shape[-1] == 512
        assert given[latent].stride() == given[rotary].stride()
        assert torch.equal(
            torch.cat([given[latent], given[rotary]], dim=-1), case.args[whole]
        )
