import torch

from dsprof.kernels import mla
from tests.kernels.attention.conftest import MakeProblem, Recorder

WORKSPACE_BYTES = 4096


def test_the_workspace_is_as_large_as_the_package_says(problem: MakeProblem) -> None:
    size, attend = Recorder(returns=WORKSPACE_BYTES), Recorder()
    case = problem("cutlass_mla_decode", batch_size=2, kv_len=300)
    case.prepare(
        {"cutlass_mla_get_workspace_size": size, "cutlass_mla_decode": attend}
    )()
    # Three pages of 128 rows hold 300 tokens.
    assert size.positional == (384, 2)
    assert size.given == {"num_kv_splits": 1}
    workspace = attend.given["workspace"]
    assert (workspace.dtype, workspace.numel()) == (torch.uint8, WORKSPACE_BYTES)


def test_the_call_gets_both_parts_of_the_query_and_the_scale(
    problem: MakeProblem,
) -> None:
    out = torch.zeros(2, 128, 512)
    attend = Recorder(returns=out)
    case = problem("cutlass_mla_decode", batch_size=2, kv_len=300)
    run = case.prepare(
        {
            "cutlass_mla_get_workspace_size": Recorder(returns=1),
            "cutlass_mla_decode": attend,
        }
    )
    assert run()["out"] is out
    given = attend.given
    assert torch.equal(
        torch.cat([given["q_nope"], given["q_pe"]], dim=-1), case.args["query"]
    )
    assert given["q_nope"].stride() == given["q_pe"].stride() == (128 * 576, 576, 1)
    assert given["kv_c_and_k_pe_cache"].shape == (6, 128, 576)
    assert given["page_table"] is case.args["page_table"]
    assert given["seq_lens"] is case.args["seq_lens"]
    assert given["sm_scale"] == mla.SOFTMAX_SCALE
    assert given["num_kv_splits"] == 1


def test_it_runs_on_compute_capability_10_0_alone(problem: MakeProblem) -> None:
    kernel = problem("cutlass_mla_decode", batch_size=1, kv_len=128).kernel
    assert kernel.capability_reason((10, 0)) is None
    for other in ((9, 0), (10, 3), (12, 0)):
        assert kernel.capability_reason(other) is not None
