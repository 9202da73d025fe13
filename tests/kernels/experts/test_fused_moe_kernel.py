import pytest
import torch

from dsprof.harness.check import Comparison, compare
from dsprof.kernels.experts.fused_moe_kernel import KERNEL, block_rows
from tests.interpreted import interpret
from tests.kernels.experts.interpret_fused_moe import (
    CASES,
    DAMAGED,
    FAULTS,
    OPS,
    make_args,
    small_workload,
)

Outputs = dict[tuple[str, int, str], torch.Tensor]


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """Outputs of the device code by op, tokens and fault."""
    file = tmp_path_factory.mktemp("interpreted") / "outputs.pt"
    interpret("tests.kernels.experts.interpret_fused_moe", file)
    outputs: Outputs = torch.load(file)
    return outputs


def compared(op: str, tokens: int, out: torch.Tensor) -> Comparison:
    work = small_workload(op, tokens)
    args = make_args(work)
    return compare(KERNEL, work, args, {"out": out}, KERNEL.reference(work, args))


@pytest.mark.parametrize(("op", "tokens"), CASES)
def test_the_device_code_agrees_with_the_reference(
    interpreted: Outputs, op: str, tokens: int
) -> None:
    result = compared(op, tokens, interpreted[op, tokens, ""])
    assert result.passed, (result.error, result.problem)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("op", "tokens"), DAMAGED)
def test_a_planted_fault_is_caught(
    interpreted: Outputs, op: str, tokens: int, fault: str
) -> None:
    assert not compared(op, tokens, interpreted[op, tokens, fault]).passed


def test_more_rows_an_expert_get_larger_blocks_up_to_those_that_hopper_pairs() -> None:
    def blocks_of(op: str) -> list[int]:
        works = [small_workload(op, tokens) for tokens in (32, 33, 256, 257)]
        return [block_rows(work) for work in works]

    assert blocks_of("experts (gate_up)") == [16, 64, 64, 64]
    assert blocks_of("experts (gate_up) bf16") == [16, 64, 64, 128]


@pytest.mark.parametrize("op", OPS)
def test_the_reference_multiplies_each_assignment_by_its_experts_weight(
    op: str,
) -> None:
    work = small_workload(op, 3)
    args = make_args(work)
    out = KERNEL.reference(work, args)["out"].double()
    is_fp8, is_down = "bf16" not in op, "down" in op
    for assignment, expert in enumerate(args["topk_ids"].flatten().tolist()):
        row = assignment if is_down else assignment // 8
        a, b = args["a"][row].double(), args["b"][expert].double()
        if is_fp8:
            a *= args["a_scales"][row].double().repeat_interleave(128)
            b_scales = args["b_scales"][expert].double()
            b *= b_scales.repeat_interleave(128, 0).repeat_interleave(128, 1)
        expected = b @ a
        if is_down:
            expected *= args["topk_weights"].flatten()[assignment].double()
        torch.testing.assert_close(out[assignment], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("tokens", [1, 40])
def test_the_row_list_gives_each_block_to_one_expert(op: str, tokens: int) -> None:
    work = small_workload(op, tokens)
    args = make_args(work)
    size = block_rows(work)
    in_use = args["num_tokens_post_padded"].item()
    listed = args["sorted_token_ids"].tolist()
    experts_of = args["topk_ids"].flatten().tolist()
    found = []
    for place, assignment in enumerate(listed):
        if assignment < len(experts_of):
            assert place < in_use
            expert = args["expert_ids"][place // size].item()
            assert expert == experts_of[assignment]
            found.append(assignment)
    assert sorted(found) == list(range(len(experts_of)))


def test_routing_weights_sum_to_the_models_scaling() -> None:
    args = make_args(small_workload(OPS[0], 40))
    assert args["topk_weights"].sum(-1).tolist() == pytest.approx([2.5] * 40)
    assert args["topk_weights"].min() > 0
