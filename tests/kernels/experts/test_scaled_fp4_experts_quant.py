from typing import Any

import pytest
import torch

from dsprof.harness.check import compare
from dsprof.harness.device import Datapath
from dsprof.harness.records import Phase, Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels.experts.scaled_fp4_experts_quant import SCALE_ROWS, TIE, call
from dsprof.kernels.nvfp4 import MAGNITUDES
from dsprof.kernels.registry import load_kernel
from dsprof.kernels.spec import Kernel, Tensors, Workload

NAME = "scaled_fp4_experts_quant"
OPS = ("experts", "experts (down)")

Case = tuple[Kernel, Workload, Tensors]


def make_case(op: str, tokens: int = 40) -> Case:
    kernel = load_kernel(NAME)
    point = Point(kernel=NAME, op=op, phase=Phase.DECODE, batch_size=tokens, seq_len=1)
    work = kernel.small_workload(point)
    return kernel, work, kernel.make_inputs(work, DeviceTensors("cpu", point))


@pytest.fixture(params=OPS)
def case(request: pytest.FixtureRequest) -> Case:
    return make_case(request.param)


def byte_of_scale(args: Tensors, expert: int, row: int, block: int) -> int:
    """Where the tile layout puts the scale of a row of all experts' rows."""
    m = int(args["blockscale_offsets"][expert])
    m += row - int(args["expert_offsets"][expert])
    tiles = args["input"].shape[1] // 16 // 4
    return (
        m // 128 * tiles * 512
        + block // 4 * 512
        + m % 32 * 16
        + m % 128 // 32 * 4
        + block % 4
    )


def test_every_value_is_decoded_near_to_what_it_was(case: Case) -> None:
    kernel, work, args = case
    out = kernel.reference(work, args)
    scales = out["scales"].flatten()
    offsets = args["expert_offsets"].tolist()
    for expert in range(work["experts"]):
        for row in range(offsets[expert], offsets[expert + 1], 7):
            source = int(args["expert_map"][row]) if work["mapped"] else row
            for column in (0, 1, 77, 127):
                at = byte_of_scale(args, expert, row, column // 16)
                unit = scales[at].item() / args["input_global_scale"][expert].item()
                byte = int(out["packed"][row, column // 2])
                code = byte >> 4 if column % 2 else byte & 15
                value = unit * MAGNITUDES[code & 7] * (-1 if code & 8 else 1)
                # Half of the widest step, 4 to 6, and what e4m3 cuts off a scale.
                original = args["input"][source, column].item()
                assert abs(value - original) <= unit * 1.5


def test_the_map_has_each_token_once_for_each_of_its_experts() -> None:
    _, work, args = make_case("experts")
    assert args["input"].shape == (40, work["n"])
    assert args["expert_map"].bincount().tolist() == [8] * 40
    _, work, args = make_case("experts (down)")
    assert args["input"].shape == (320, work["n"])
    assert args["expert_map"].numel() == 0


def test_each_experts_scales_begin_at_a_whole_tile(case: Case) -> None:
    _, work, args = case
    counts = args["expert_offsets"].diff()
    assert counts.sum() == 320
    assert len(counts) == work["experts"]
    padded = args["blockscale_offsets"].diff()
    assert padded.tolist() == [-(-count // 128) * 128 for count in counts.tolist()]


def test_the_scale_buffer_is_of_full_size_whatever_the_tokens(case: Case) -> None:
    kernel, work, args = case
    scales = kernel.reference(work, args)["scales"]
    assert scales.shape == (524_288, work["n"] // 16)
    assert scales.shape[0] == SCALE_ROWS


def test_what_lies_in_the_padding_does_not_matter(case: Case) -> None:
    kernel, work, args = case
    expected = kernel.reference(work, args)
    is_padding = torch.ones(expected["scales"].numel(), dtype=torch.bool)
    offsets = args["expert_offsets"].tolist()
    for expert in range(work["experts"]):
        for row in range(offsets[expert], offsets[expert + 1]):
            for block in range(work["n"] // 16):
                is_padding[byte_of_scale(args, expert, row, block)] = False
    scales = expected["scales"].clone().flatten()
    scales[is_padding] = torch.nan
    got = expected | {"scales": scales.view(expected["scales"].shape)}
    assert compare(kernel, work, args, got, expected).passed
    scales[(~is_padding).nonzero()[-1]] = torch.nan
    assert not compare(kernel, work, args, got, expected).passed


@pytest.mark.parametrize("table", ["input_global_scale", "expert_map"])
def test_the_wrong_experts_scale_and_the_wrong_token_are_caught(table: str) -> None:
    kernel, work, args = make_case("experts")
    got = kernel.reference(work, args | {table: args[table].roll(1)})
    assert not compare(kernel, work, args, got, kernel.reference(work, args)).passed


def test_a_tie_may_go_either_way() -> None:
    kernel, work, args = make_case("experts (down)", tokens=1)
    args["input_global_scale"].fill_(1.0)
    args["input"][0, :16] = 0
    # The scale is 6 / 6, so 1.25 lies midway between the codes 2 and 3.
    args["input"][0, :2] = torch.tensor([6.0, 1.25])
    expected = kernel.reference(work, args)
    assert int(expected["packed"][0, 0]) == 0x27
    for byte, passes in [(0x37, True), (0x47, False), (0x17, False)]:
        packed = expected["packed"].clone()
        packed[0, 0] = byte
        got = expected | {"packed": packed}
        assert compare(kernel, work, args, got, expected).passed == passes
    assert TIE < 1 / 256  # no more than BF16 resolves


@pytest.mark.parametrize(
    ("op", "has_map"), [("experts", True), ("experts (down)", False)]
)
def test_the_map_is_given_only_where_rows_are_fetched(
    op: str, *, has_map: bool
) -> None:
    _, _, args = make_case(op)
    given: dict[str, Any] = {}

    def function(*values: object, expert_map: object) -> tuple[torch.Tensor, ...]:
        names = ("input", "input_global_scale", "expert_offsets", "blockscale_offsets")
        given.update(zip((*names, "topk"), values, strict=True), expert_map=expert_map)
        return torch.zeros(1), torch.ones(1)

    outputs = call(function, args)
    assert {key: tensor.item() for key, tensor in outputs.items()} == {
        "packed": 0,
        "scales": 1,
    }
    assert given.pop("topk") == 8
    if not has_map:
        assert given.pop("expert_map") is None
    assert all(got is args[name] for name, got in given.items())


@pytest.mark.parametrize(
    ("op", "elements", "bytes_per_token"),
    [
        # A token once, 14336 bytes; 8 rows of 3584 codes' bytes, 448 scales and an id.
        ("experts", 8 * 7168, 46_624),
        # 8 rows of 4096 bytes in, 1024 + 128 out.
        ("experts (down)", 8 * 2048, 41_984),
    ],
)
def test_cost_is_the_sum_worked_out_by_hand(
    op: str, elements: int, bytes_per_token: int
) -> None:
    kernel = load_kernel(NAME)
    point = Point(kernel=NAME, op=op, phase=Phase.DECODE, batch_size=5, seq_len=1)
    cost = kernel.cost(kernel.workload(point))
    assert cost.flops == {Datapath.FP32: 5 * 3 * elements}
    assert cost.bytes_read + cost.bytes_written == 5 * bytes_per_token
