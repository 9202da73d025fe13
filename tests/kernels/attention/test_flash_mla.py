import torch

from dsprof.kernels import mla
from tests.kernels.attention.conftest import MakeProblem, Recorder


def test_the_schedule_is_made_once_before_the_run(problem: MakeProblem) -> None:
    metadata, splits = torch.zeros(4, 8), torch.zeros(3)
    plan = Recorder(returns=(metadata, splits))
    attend = Recorder(returns=(torch.zeros(2, 1, 128, 512), torch.zeros(2, 128, 1)))
    case = problem("flash_mla", batch_size=2, kv_len=100)
    run = case.prepare({"get_mla_metadata": plan, "flash_mla_with_kvcache": attend})
    # Query tokens a cached head: 128 heads share the one row.
    assert plan.positional == (case.args["seq_lens"], 128, 1)
    plan.positional = ()
    assert run()["out"].shape == (2, 128, 512)
    assert plan.positional == ()
    assert attend.given["tile_scheduler_metadata"] is metadata
    assert attend.given["num_splits"] is splits


def test_the_call_gets_one_query_token_and_one_cached_head(
    problem: MakeProblem,
) -> None:
    attend = Recorder(returns=(torch.zeros(2, 1, 128, 512), torch.zeros(2, 128, 1)))
    case = problem("flash_mla", batch_size=2, kv_len=100)
    plan = Recorder(returns=(torch.zeros(1), torch.zeros(1)))
    case.prepare({"get_mla_metadata": plan, "flash_mla_with_kvcache": attend})()
    given = attend.given
    assert given["q"].shape == (2, 1, 128, 576)
    assert given["k_cache"].shape == (4, 64, 1, 576)
    assert given["q"].is_contiguous()
    assert given["k_cache"].is_contiguous()
    assert given["block_table"] is case.args["page_table"]
    assert given["cache_seqlens"] is case.args["seq_lens"]
    assert given["head_dim_v"] == 512
    # The package's default is 576 ** -0.5, which is not the model's.
    assert given["softmax_scale"] == mla.SOFTMAX_SCALE


def test_what_the_kernel_allocates_is_counted(problem: MakeProblem) -> None:
    case = problem("flash_mla", batch_size=2, kv_len=100)
    written = case.kernel.cost(case.work).bytes_written
    assert written == 2 * 128 * 512 * 2
    assert case.kernel.traffic.count(case.work, case.args)[1] == written
