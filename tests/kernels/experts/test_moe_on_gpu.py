"""Both pipelines of the experts on a GPU, at the edges of what routing may do."""

from dataclasses import replace

import pytest
import torch

from dsprof.harness.binding import load_providers
from dsprof.harness.check import compare
from dsprof.harness.records import Phase, Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.harness.tune_candidates import WGMMA as TILES
from dsprof.kernels import moe_wgmma
from dsprof.kernels.experts import triton_fp8_moe
from dsprof.kernels.moe_configs import Implementation, MoeConfig
from dsprof.kernels.registry import load_kernel
from dsprof.kernels.spec import Kernel, Tensors, Workload
from tests.kernels.experts.interpret_triton_moe import CONFIG, OPTIONS

pytestmark = pytest.mark.gpu

NAMES = ("fp8_moe", "triton_fp8_moe")
OPS = ("experts (fused)", "routed experts")


def made(name: str, op: str, tokens: int) -> tuple[Kernel, Workload, Tensors]:
    kernel = load_kernel(name)
    point = Point(kernel=name, op=op, phase=Phase.DECODE, batch_size=tokens, seq_len=1)
    work = kernel.workload(point)
    return kernel, work, kernel.make_inputs(work, DeviceTensors("cuda", point))


def check(kernel: Kernel, work: Workload, args: Tensors) -> None:
    expected = kernel.reference(work, args)
    [binding], _ = load_providers(kernel, kernel.providers)
    assert binding.provider is not None
    run = binding.provider.prepare(binding.api, work, args)
    for _ in range(2):  # with the workspace as the first call left it
        args["out"].fill_(float("nan"))
        result = compare(kernel, work, args, run(), expected)
        assert result.passed, (result.error, result.problem)


@pytest.mark.parametrize("tokens", [1, 7, 33, 129, 901])
@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("name", NAMES)
def test_any_number_of_tokens_gives_the_reference(
    name: str, op: str, tokens: int
) -> None:
    check(*made(name, op, tokens))


@pytest.mark.parametrize("tokens", [1, 19, 300])
@pytest.mark.parametrize("name", NAMES)
def test_experts_with_all_tokens_and_with_none_give_the_reference(
    name: str, tokens: int
) -> None:
    kernel, work, args = made(name, OPS[0], tokens)
    ids = torch.tensor([255, 0, 3, 17, 100, 101, 200, 31], dtype=torch.int32)
    args["topk_ids"].copy_(ids.cuda())
    check(kernel, work, args)


@pytest.mark.parametrize("name", NAMES)
def test_an_expert_of_every_token_gives_the_reference(name: str) -> None:
    kernel, work, args = made(name, OPS[0], 150)
    others = args["topk_ids"][:, 1:]
    others[others == 7] = 8  # no token has an expert twice
    args["topk_ids"][:, 0] = 7
    check(kernel, work, args)


WGMMA = replace(
    CONFIG,
    implementation=Implementation.WGMMA,
    block_m=moe_wgmma.BLOCK_ROWS,
    gate_up=TILES.gate_up[0],
    down=TILES.down[0],
)
WAYS = {
    **OPTIONS,
    "overlapped": replace(CONFIG, overlap=True),
    "paired tiles, for Hopper": WGMMA,
}
HOPPER_ONLY = ("overlapped", "TMA", "Hopper")


@pytest.mark.parametrize("tokens", [1, 9, 40])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_cut_the_gemms_gives_the_reference(way: str, tokens: int) -> None:
    if any(word in way for word in HOPPER_ONLY):
        needs_hopper()
    check_way(WAYS[way], *made("triton_fp8_moe", OPS[0], tokens))


@pytest.mark.parametrize("tokens", [64, 65, 128, 1000, 1153])
def test_paired_tiles_give_the_reference_where_few_experts_have_all_tokens(
    tokens: int,
) -> None:
    """Full tiles and half ones, more tiles than an expert's group may have."""
    needs_hopper()
    kernel, work, args = made("triton_fp8_moe", OPS[0], tokens)
    ids = torch.tensor([255, 0, 3, 17, 100, 101, 200, 31], dtype=torch.int32)
    args["topk_ids"].copy_(ids.cuda())
    check_way(WGMMA, kernel, work, args)


def check_way(config: MoeConfig, kernel: Kernel, work: Workload, args: Tensors) -> None:
    [binding], _ = load_providers(kernel, kernel.providers)
    run = triton_fp8_moe.bind(binding.api, work, args, config)
    expected = kernel.reference(work, args)
    outputs = []
    for _ in range(3):
        args["out"].fill_(float("nan"))
        outputs.append(run()["out"].clone())
    result = compare(kernel, work, args, {"out": outputs[0]}, expected)
    assert result.passed, (result.error, result.problem)
    assert all(torch.equal(outputs[0], other) for other in outputs)


def needs_hopper() -> None:
    if torch.cuda.get_device_capability() != (9, 0):
        pytest.skip("needs compute capability 9.0")
