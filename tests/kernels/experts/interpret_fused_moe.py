"""Runs fused_moe_kernel through Triton's interpreter and saves its outputs.

A process of its own: Triton reads TRITON_INTERPRET once, when it is imported.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from dsprof.harness.records import Phase, Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels.experts.fused_moe_kernel import KERNEL, block_rows
from dsprof.kernels.spec import Tensors, Workload

OPS = tuple(op.name for op in KERNEL.ops)

# Of 16 experts: blocks of 16, 64 and 128 rows.
CASES = (
    *((op, tokens) for op in OPS for tokens in (1, 5)),
    ("experts (gate_up)", 40),
    ("experts (down) bf16", 300),
)
DAMAGED = (("experts (gate_up)", 5), ("experts (down) bf16", 5))


def small_workload(op: str, tokens: int) -> Workload:
    return KERNEL.small_workload(
        Point(
            kernel=KERNEL.name,
            op=op,
            phase=Phase.DECODE,
            batch_size=tokens,
            seq_len=1,
        )
    )


def make_args(work: Workload) -> Tensors:
    return KERNEL.make_inputs(work, DeviceTensors("cpu", work.point))


def without_an_expert(work: Workload, args: Tensors) -> Tensors:
    """Pad the rows of the second block's expert."""
    rows = args["sorted_token_ids"].clone().view(-1, block_rows(work))
    rows[1] = work.tokens * work["top_k"]
    return {"sorted_token_ids": rows.view(-1)}


def without_the_last_block(work: Workload, args: Tensors) -> Tensors:
    in_use = args["num_tokens_post_padded"] - block_rows(work)
    return {"num_tokens_post_padded": in_use}


def with_two_experts_swapped(_work: Workload, args: Tensors) -> Tensors:
    experts = args["expert_ids"].clone()
    experts[:2] = experts[:2].flip(0)
    return {"expert_ids": experts}


def with_another_rows_factors(_work: Workload, args: Tensors) -> Tensors:
    return {name: args[name].roll(1, 0) for name in ("a_scales", "topk_weights")}


FAULTS: dict[str, Callable[[Workload, Tensors], Tensors]] = {
    fault.__name__: fault
    for fault in (
        without_an_expert,
        without_the_last_block,
        with_two_experts_swapped,
        with_another_rows_factors,
    )
}


def run(work: Workload, args: Tensors) -> torch.Tensor:
    provider = KERNEL.providers[0]
    return provider.prepare(provider.load(), work, args)()["out"]


def main() -> None:
    assert os.environ["TRITON_INTERPRET"] == "1"
    outputs: dict[tuple[str, int, str], torch.Tensor] = {}
    for op, tokens in CASES:
        work = small_workload(op, tokens)
        outputs[op, tokens, ""] = run(work, make_args(work))
    for op, tokens in DAMAGED:
        work = small_workload(op, tokens)
        for name, fault in FAULTS.items():
            args = make_args(work)
            outputs[op, tokens, name] = run(work, args | fault(work, args))
    torch.save(outputs, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
