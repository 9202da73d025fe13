import pytest
import torch

from dsprof.harness.check import Comparison, compare
from dsprof.kernels import blocks, fp8
from dsprof.kernels.experts.triton_fp8_moe import KERNEL, config_for
from dsprof.kernels.spec import Tensors, Workload
from tests.interpreted import interpret
from tests.kernels.experts.interpret_triton_moe import (
    BF16_TOKENS,
    IDS,
    LIST_TENSORS,
    LISTS,
    OF_OPTIONS,
    OPTIONS,
    ROUTED,
    bf16_operands,
    listed_ids,
    make_args,
    with_ids,
    workload,
)

Outputs = dict[tuple[str, str], torch.Tensor]


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """Outputs of the device code by what was tried."""
    file = tmp_path_factory.mktemp("interpreted") / "outputs.pt"
    interpret("tests.kernels.experts.interpret_triton_moe", file)
    outputs: Outputs = torch.load(file)
    return outputs


def compared(work: Workload, args: Tensors, out: torch.Tensor) -> Comparison:
    return compare(KERNEL, work, args, {"out": out}, KERNEL.reference(work, args))


@pytest.mark.parametrize("option", OPTIONS)
def test_every_way_to_cut_the_gemms_agrees_with_the_reference(
    interpreted: Outputs, option: str
) -> None:
    result = compared(*with_ids(OF_OPTIONS), interpreted["option", option])
    assert result.passed, (result.error, result.problem)


@pytest.mark.parametrize("name", IDS)
def test_experts_with_all_tokens_and_with_none_agree_with_the_reference(
    interpreted: Outputs, name: str
) -> None:
    result = compared(*with_ids(name), interpreted["ids", name])
    assert result.passed, (result.error, result.problem)


def test_experts_chosen_from_logits_agree_with_the_reference(
    interpreted: Outputs,
) -> None:
    work = workload(ROUTED, 2)
    result = compared(work, make_args(work), interpreted["routed", ""])
    assert result.passed, (result.error, result.problem)


def test_another_routing_is_caught(interpreted: Outputs) -> None:
    work, args = with_ids(OF_OPTIONS)
    other = args | {"topk_ids": args["topk_ids"].roll(1, 0)}
    assert not compared(work, other, interpreted["option", "plain"]).passed


@pytest.mark.parametrize("case", LISTS)
def test_few_assignments_are_listed_by_expert_and_in_their_order(
    interpreted: Outputs, case: tuple[int, int, int]
) -> None:
    assignments, experts, block_rows = case
    rows, expert_ids, in_use = (interpreted[name, str(case)] for name in LIST_TENSORS)
    expected = blocks.align(
        listed_ids(assignments, experts), experts, block_rows, len(rows)
    )
    assert torch.equal(rows, expected[0])
    used = int(expected[2]) // block_rows
    assert torch.equal(expert_ids[:used], expected[1][:used])
    assert torch.equal(in_use, expected[2])


def test_in_bf16_the_first_gemm_activates_and_does_not_quantise(
    interpreted: Outputs,
) -> None:
    operands, ids = bf16_operands()
    got = interpreted["bf16", ""].double()
    assert got.shape == (2 * BF16_TOKENS, 128)
    for assignment, expert in enumerate(ids.flatten().tolist()):
        row = operands.a[assignment // 2].double()
        gate, up = (operands.b[expert].double() @ row).chunk(2)
        expected = gate / (1 + (-gate).exp()) * up
        torch.testing.assert_close(got[assignment], expected, rtol=1e-2, atol=1e-2)


def test_the_reference_quantises_what_the_gemms_multiply() -> None:
    work, args = with_ids("one token")

    def quantized(x: torch.Tensor) -> torch.Tensor:
        return fp8.dequantize_groups(*fp8.quantize_groups(x.float())).double()

    def weight(name: str, expert: int) -> torch.Tensor:
        scales = args[f"{name}_scales"][expert].double()
        scales = scales.repeat_interleave(128, 0).repeat_interleave(128, 1)
        return (args[name][expert].double() * scales).mT

    total = torch.zeros(256, dtype=torch.float64)
    for slot, expert in enumerate(args["topk_ids"][0].tolist()):
        gate, up = (weight("w1", expert) @ quantized(args["x"][0])).chunk(2)
        inner = quantized(gate / (1 + (-gate).exp()) * up)
        factor = args["topk_weights"][0, slot].double()
        total += factor * (weight("w2", expert) @ inner)
    out = KERNEL.reference(work, args)["out"][0].double()
    torch.testing.assert_close(out, total, rtol=1e-2, atol=2e-2)


def test_without_a_gpu_the_generic_configuration_holds() -> None:
    config = config_for(workload(ROUTED, 2), torch.device("cpu"))
    assert not config.gpu
    assert not config.gate_up.tma
