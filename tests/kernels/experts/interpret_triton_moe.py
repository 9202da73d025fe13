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
from dsprof.kernels import blocks
from dsprof.kernels.experts.triton_fp8_moe import KERNEL, bind
from dsprof.kernels.moe_configs import GemmConfig, Implementation, MoeConfig
from dsprof.kernels.selection import route
from dsprof.kernels.spec import Tensors, Workload, resolve

FUSED, ROUTED = (op.name for op in KERNEL.ops)

PLAIN = GemmConfig(
    block_n=128,
    block_k_bytes=128,
    group_m=1,
    split_k=1,
    warps=4,
    stages=3,
    swap=False,
    tma=False,
)
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
    "swapped": both(swap=True),
    "by TMA": both(tma=True),
    "swapped by TMA": both(swap=True, tma=True),
    "half a group a step": both(block_k_bytes=64),
    "split": replace(CONFIG, gate_up=replace(PLAIN, split_k=2)),
    "unevenly split and swapped": replace(
        CONFIG,
        gate_up=replace(PLAIN, split_k=3, block_k_bytes=64, swap=True),
        down=replace(PLAIN, split_k=2, block_k_bytes=64, swap=True),
    ),
    "in turns": both(group_m=4),
    "down of 64 columns": replace(CONFIG, down=replace(PLAIN, block_n=64)),
    "blocks of 32": replace(CONFIG, block_m=32),
    "blocks of 64": replace(CONFIG, block_m=64),
    "blocks of 128": replace(CONFIG, block_m=128),
}

# Tokens' experts, of 32: what routing may do.
IDS = {
    "one token": torch.tensor([[3, 5, 8, 13, 21, 0, 31, 1]], dtype=torch.int32),
    "all tokens to the same experts": torch.arange(8, dtype=torch.int32).repeat(33, 1),
    "one expert for every token": torch.stack(
        [torch.tensor([7, *(8 + (t + i) % 9 for i in range(7))]) for t in range(17)]
    ).int(),
}


def workload(op: str, tokens: int) -> Workload:
    point = Point(
        kernel=KERNEL.name, op=op, phase=Phase.DECODE, batch_size=tokens, seq_len=1
    )
    return KERNEL.small_workload(point)


def make_args(work: Workload) -> Tensors:
    return KERNEL.make_inputs(work, DeviceTensors("cpu", work.point))


def with_ids(name: str) -> tuple[Workload, Tensors]:
    work = workload(FUSED, len(IDS[name]))
    return work, make_args(work) | {"topk_ids": IDS[name]}


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
    call = bind(api(), work, args, config)
    first = call()["out"].clone()
    assert torch.equal(first, call()["out"]), "a second call gives another output"
    return first


def main() -> None:
    assert os.environ["TRITON_INTERPRET"] == "1"
    outputs: dict[tuple[str, ...], torch.Tensor] = {}
    for name, config in OPTIONS.items():
        outputs["option", name] = run(*with_ids("one expert for every token"), config)
    for name in IDS:
        outputs["ids", name] = run(*with_ids(name), CONFIG)
    for tokens in (1, 7):
        work = workload(ROUTED, tokens)
        outputs["routed", str(tokens)] = run(work, make_args(work), CONFIG)
    torch.save(outputs, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
