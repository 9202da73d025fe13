"""Checks the loads of the ceilings through Triton's interpreter; writes what failed.

A process of its own: Triton reads TRITON_INTERPRET once, when it is imported.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from dsprof.harness.ceiling import Pattern
from dsprof.harness.ceiling_flops import fp32_loads
from dsprof.harness.ceiling_load import Board, Load, WrongResultError
from dsprof.harness.ceiling_streams import (
    BUFFER_UNIT_BYTES,
    L2_SHAPES,
    copy_loads,
    l2_read_loads,
    read_loads,
    triad_loads,
    write_loads,
)

BOARD = Board(
    device="cpu",
    compute_capability=(9, 0),
    sms=1,
    l2_bytes=2**20,
    memory_bytes=2**30,
)
BUFFER_BYTES = 2 * BUFFER_UNIT_BYTES
LOADS: dict[Pattern, Callable[[], list[Load]]] = {
    Pattern.HBM_READ: lambda: read_loads(BOARD, BUFFER_BYTES),
    Pattern.HBM_WRITE: lambda: write_loads(BOARD, BUFFER_BYTES),
    Pattern.HBM_COPY: lambda: copy_loads(BOARD, BUFFER_BYTES),
    Pattern.HBM_TRIAD: lambda: triad_loads(BOARD, BUFFER_BYTES),
    # Fewer passes than chunks, so that each program reads another part.
    Pattern.L2_READ: lambda: l2_read_loads(
        BOARD, [replace(shape, steps=5) for shape in L2_SHAPES]
    ),
    Pattern.FP32: lambda: fp32_loads(BOARD, programs_per_sm=1),
}


def idle(_load: Load) -> None:
    """Leave the output as it was poisoned."""


def last_one_missing(load: Load) -> None:
    poison = load.output[-1].clone()
    load.call()
    load.output[-1] = poison


def one_bit_off(load: Load) -> None:
    load.call()
    load.output.view(torch.int32)[7] ^= 1 << 20


def two_swapped(load: Load) -> None:
    load.call()
    load.output[:2] = load.output[:2].flip(0)


FAULTS = (idle, last_one_missing, one_bit_off, two_swapped)


def problem(load: Load) -> str:
    try:
        load.check()
    except WrongResultError as error:
        return str(error)
    return ""


def main() -> None:
    assert os.environ["TRITON_INTERPRET"] == "1"
    torch.manual_seed(0)
    found: dict[str, dict[str, str]] = {}
    for pattern, make in LOADS.items():
        loads = make()
        found[pattern] = {load.work: problem(load) for load in loads}
        for fault in FAULTS:
            broken = replace(loads[0], call=partial(fault, loads[0]))
            found[pattern][fault.__name__] = problem(broken)
    Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
