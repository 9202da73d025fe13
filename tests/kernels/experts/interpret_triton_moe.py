"""Runs triton_fp8_moe through Triton's interpreter and saves its outputs.

A process of its own: Triton reads TRITON_INTERPRET once, when it is imported. The ops
of sgl_kernel are computed in torch.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from dsprof.harness.records import Phase, Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.harness.tune_candidates import PLAIN
from dsprof.kernels import blocks, moe_gemm
from dsprof.kernels.experts.triton_fp8_moe import (
    KERNEL,
    MOST_LISTED,
    bind,
    bind_list_and_quantize,
)
from dsprof.kernels.moe_configs import Implementation, MoeConfig
from dsprof.kernels.moe_pipeline import make_job
from dsprof.kernels.selection import route
from dsprof.kernels.spec import Tensors, Workload, resolve

FUSED, ROUTED = (op.name for op in KERNEL.ops)

CONFIG = MoeConfig(
    max_rows_per_expert=1,
    block_m=16,
    implementation=Implementation.PORTABLE,
    gate_up=PLAIN,
    down=PLAIN,
)


def both(**changes: Any) -> MoeConfig:  # noqa: ANN401 -- fields of GemmConfig
    gemm = replace(PLAIN, **changes)
    return replace(CONFIG, gate_up=gemm, down=gemm)


OPTIONS = {
    "plain": CONFIG,
    "by TMA": both(tma=True),
    "swapped by TMA, in blocks of 64": replace(both(swap=True, tma=True), block_m=64),
    "half a group a step": both(block_k_bytes=64),
    "split unevenly and swapped": replace(
        CONFIG,
        gate_up=replace(PLAIN, split_k=3, block_k_bytes=64, swap=True),
        down=replace(PLAIN, split_k=2, block_k_bytes=64),
    ),
    "in turns, down in 64 columns": replace(
        both(group_m=3), down=replace(PLAIN, block_n=64, group_m=3)
    ),
}

# Assignments, experts and rows of a block that the quantising launch lists.
LISTS = ((2, 4, 16), (33, 1, 32), (64, 9, 16), (24, 5, 64))

# Tokens' experts, two of eight: what routing may do. Interpreting is slow.
IDS = {
    "one token": torch.tensor([[3, 0]]),
    "an expert for every token": torch.tensor([[7, 1], [7, 2], [7, 1]]),
    "all tokens to the same experts": torch.tensor([[5, 2]]).repeat(33, 1),
}
LIST_TENSORS = ("sorted_token_ids", "expert_ids", "num_tokens_post_padded")
BF16_TOKENS = 5
OF_OPTIONS = "an expert for every token"


def workload(op: str, tokens: int) -> Workload:
    point = Point(
        kernel=KERNEL.name, op=op, phase=Phase.DECODE, batch_size=tokens, seq_len=1
    )
    work = KERNEL.small_workload(point)
    limits = {"groups": 4, "top_groups": 2} if op == ROUTED else {}
    return replace(work, axes={**work.axes, "experts": 8, "top_k": 2, **limits})


def make_args(work: Workload) -> Tensors:
    return KERNEL.make_inputs(work, DeviceTensors("cpu", work.point))


def with_ids(name: str) -> tuple[Workload, Tensors]:
    work = workload(FUSED, len(IDS[name]))
    return work, make_args(work) | {"topk_ids": IDS[name].int()}


def moe_align_block_size(topk_ids: torch.Tensor, **given: Any) -> None:  # noqa: ANN401
    listed = given["sorted_token_ids"]
    aligned = blocks.align(
        topk_ids, given["num_experts"] - 1, given["block_size"], len(listed)
    )
    outputs = ("sorted_token_ids", "experts_ids", "num_tokens_post_pad")
    for name, values in zip(outputs, aligned, strict=True):
        given[name].copy_(values)


def moe_fused_gate(
    logits: torch.Tensor,
    bias: torch.Tensor,
    **given: Any,  # noqa: ANN401
) -> list[torch.Tensor]:
    groups, top_groups = given["num_expert_group"], given["topk_group"]
    weights, ids = route(logits, bias, given["topk"], groups, top_groups)
    return [weights, ids.int()]


def api() -> SimpleNamespace:
    ours = [s for s in KERNEL.providers[0].symbols if s.startswith("dsprof.")]
    return SimpleNamespace(
        moe_align_block_size=moe_align_block_size,
        moe_fused_gate=moe_fused_gate,
        **{symbol.partition(":")[2]: resolve(symbol) for symbol in ours},
    )


def run(work: Workload, args: Tensors, config: MoeConfig) -> torch.Tensor:
    return bind(api(), work, args, config)()["out"]


def bf16_operands() -> tuple[moe_gemm.Operands, torch.Tensor]:
    """Rows (5, 128), gate and up weights of four experts, and each row's two."""
    random = torch.Generator().manual_seed(3)
    a = torch.randn(BF16_TOKENS, 128, generator=random) / 128**0.5
    b = torch.randn(4, 2 * 128, 128, generator=random)
    none = torch.zeros(1)
    operands = moe_gemm.Operands(
        a=a.bfloat16(), a_scales=none, b=b.bfloat16(), b_scales=none
    )
    return operands, torch.tensor([[0, 2], [1, 2], [2, 0], [0, 1], [1, 0]])


def run_bf16() -> torch.Tensor:
    operands, ids = bf16_operands()
    size = blocks.capacity(ids.numel(), 4, 16)
    listed, experts, in_use = blocks.align(ids, 4, 16, size)
    rows = moe_gemm.RowList(
        block_rows=16,
        sorted_token_ids=listed,
        expert_ids=experts,
        num_tokens_post_padded=in_use,
    )
    out = torch.full((ids.numel(), 128), float("nan"), dtype=torch.bfloat16)
    kernel, unused = api().fused_moe_silu, torch.zeros(1)
    moe_gemm.bind_gate_up(kernel, operands, rows, PLAIN, out, unused)()
    return out


def listed_ids(assignments: int, experts: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(assignments)
    ids = torch.randint(experts, (assignments, 1), generator=random)
    return ids.int()


def run_list(assignments: int, experts: int, block_rows: int) -> list[torch.Tensor]:
    """The row list of a job that has nothing else: assignment and expert of blocks."""
    work = workload(FUSED, assignments)
    work = replace(work, axes={**work.axes, "experts": experts, "top_k": 1, "n": 128})
    args = make_args(work)
    job = make_job(work, args, replace(CONFIG, block_m=block_rows))
    bind_list_and_quantize(api(), args["x"], job)(listed_ids(assignments, experts))
    rows = job.rows
    return [rows.sorted_token_ids, rows.expert_ids, rows.num_tokens_post_padded]


def run_twice(work: Workload, args: Tensors, config: MoeConfig) -> torch.Tensor:
    """Run again with the same workspace, as a graph does."""
    call = bind(api(), work, args, config)
    first = call()["out"].clone()
    args["out"].fill_(float("nan"))
    assert torch.equal(first, call()["out"])
    return first


def main() -> None:
    assert os.environ["TRITON_INTERPRET"] == "1"
    outputs: dict[tuple[str, str], torch.Tensor] = {}
    for name, config in OPTIONS.items():
        call = run_twice if "split" in name else run
        outputs["option", name] = call(*with_ids(OF_OPTIONS), config)
    for name in IDS:
        outputs["ids", name] = run(*with_ids(name), CONFIG)
    work = workload(ROUTED, 2)
    outputs["routed", ""] = run(work, make_args(work), CONFIG)
    outputs["bf16", ""] = run_bf16()
    for case in LISTS:
        assert case[0] <= MOST_LISTED
        for name, tensor in zip(LIST_TENSORS, run_list(*case), strict=True):
            outputs[name, str(case)] = tensor
    torch.save(outputs, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
