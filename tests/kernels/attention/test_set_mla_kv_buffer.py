import torch

from dsprof.harness.check import compare
from tests.kernels.attention.conftest import MakeProblem, Problem, Recorder

NAME = "set_mla_kv_buffer"
SGLANG, TORCH = 0, 1


def copied_by_torch(case: Problem) -> torch.Tensor:
    provider = case.kernel.providers[TORCH]
    return provider.prepare(provider.load(), case.work, case.args)()["cache"]


def test_each_token_goes_to_its_slot_and_others_stay(problem: MakeProblem) -> None:
    case = problem(NAME, batch_size=5)
    args = case.args
    before = args["cache"].clone()
    cache = case.kernel.reference(case.work, args)["cache"]
    slots = args["slots"].tolist()
    for token, slot in enumerate(slots):
        assert torch.equal(cache[slot, :512], args["latent"][token])
        assert torch.equal(cache[slot, 512:], args["rotary"][token])
    others = [slot for slot in range(len(cache)) if slot not in slots]
    assert len(others) == 5
    assert torch.equal(cache[others], before[others])


def test_two_copies_of_torch_give_the_reference(problem: MakeProblem) -> None:
    case = problem(NAME, batch_size=7)
    expected = case.kernel.reference(case.work, case.args)
    got = {"cache": copied_by_torch(case)}
    assert compare(case.kernel, case.work, case.args, got, expected).passed


def test_a_row_written_to_the_wrong_slot_is_caught(problem: MakeProblem) -> None:
    case = problem(NAME, batch_size=7)
    expected = case.kernel.reference(case.work, case.args)
    case.args["slots"] = case.args["slots"].roll(1)
    got = {"cache": copied_by_torch(case)}
    assert not compare(case.kernel, case.work, case.args, got, expected).passed


def test_sglangs_function_gets_cache_slots_latent_and_rotary(
    problem: MakeProblem,
) -> None:
    write = Recorder()
    case = problem(NAME, batch_size=3)
    case.prepare({"set_mla_kv_buffer_triton": write}, provider=SGLANG)()
    assert all(
        given is case.args[name]
        for given, name in zip(
            write.positional, ("cache", "slots", "latent", "rotary"), strict=True
        )
    )


def test_a_token_moves_its_row_twice_and_reads_its_slot(problem: MakeProblem) -> None:
    case = problem(NAME, batch_size=16)
    cost = case.kernel.cost(case.work)
    # 576 BF16 in and out, and an int64.
    assert cost.flops == {}
    assert (cost.bytes_read, cost.bytes_written) == (16 * 1160, 16 * 1152)
    assert case.args["rotary"].stride() == (2112, 1)
