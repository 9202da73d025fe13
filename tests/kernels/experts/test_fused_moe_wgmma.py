"""The Hopper GEMMs where there is no Hopper: compiled for it, and their tile list."""

import importlib.util
import json
import os
import random
import re
import subprocess
from itertools import groupby
from pathlib import Path

import pytest

from dsprof.kernels.moe_wgmma import (
    MOST_REGISTERS,
    MOST_TURNS,
    WARPS,
    WEIGHT_TILE,
)
from tests.interpreted import interpret

SHARED_BYTES = 227 * 1024  # that a program may have on compute capability 9.0


def expected(experts: list[int]) -> list[list[int]]:
    """Tiles, and of each its group's first tile and size, packed as the kernel does."""
    tiles: list[int] = []
    groups: list[int] = []
    first = 0
    for _, run in groupby(experts):
        count = len(list(run))
        mine = [2 * (first + i) + (i + 1 < count) for i in range(0, count, 2)]
        for begin in range(0, len(mine), MOST_TURNS):
            size = min(MOST_TURNS, len(mine) - begin)
            groups += [(MOST_TURNS + 1) * (len(tiles) + begin) + size] * size
        tiles += mine
        first += count
    return [tiles, groups]


def test_blocks_of_an_expert_are_paired_and_its_tiles_are_a_group() -> None:
    rng = random.Random(9)  # noqa: S311 -- cases, not secrets
    cases: list[tuple[list[int], int]] = [
        ([0], 0),
        ([255], 3),
        ([4] * 7, 1),
        ([1] + [4] * 37 + [9] * 2, 4),
        ([0, 0, 1, 1], 0),
        ([0, 1, 2], 5),
    ]
    for _ in range(25):
        counts = [rng.choice((0, 0, 1, 2, 3, 6)) for _ in range(rng.randint(1, 20))]
        experts = [e for e, count in enumerate(counts) for _ in range(count)]
        cases.append((experts or [3], rng.randint(0, 9)))
    printed = interpret(
        "tests.kernels.experts.interpret_pair_blocks", given=json.dumps(cases)
    )
    assert json.loads(printed) == [expected(experts) for experts, _ in cases]


def compiled(*, fused: bool) -> tuple[str, int]:
    """Machine code for compute capability 9.0, and bytes of shared memory."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.experimental.gluon import language as gl
    from triton.experimental.gluon._runtime import GluonASTSource

    from dsprof.kernels.experts._fused_moe_wgmma import fused_moe_wgmma

    rows, columns = WEIGHT_TILE
    weights = f"tensordesc<fp8e4nv[{rows}, {columns}],{gl.NVMMASharedLayout(128, 8)!r}>"
    constants = {
        "ROWS_PER_A": 8 if fused else 1,
        "FUSED": fused,
        "MUL_ROUTED_WEIGHT": not fused,
        "MOST_TURNS": MOST_TURNS,
        "STAGES": 3 if fused else 4,
    }
    signature = {
        "a": "*fp8e4nv",
        "a_scales": "*fp32",
        "b": weights,
        "b_scales": "*fp32",
        "out": "*fp8e4nv" if fused else "*bf16",
        "out_scales": "*fp32",
        "topk_weights": "*fp32",
        "sorted_token_ids": "*i32",
        "expert_ids": "*i32",
        "tiles": "*i32",
        "groups": "*i32",
        "num_tiles": "*i32",
        "taken": "*i32",
        "n": "i32",
        "k": "i32",
        "assignments": "i32",
        **dict.fromkeys(constants, "constexpr"),
    }
    aligned = {
        (place,): [["tt.divisibility", 16]]
        for place, (name, kind) in enumerate(signature.items())
        if kind.startswith("*") or name in {"n", "k"}
    }
    made = triton.compile(
        GluonASTSource(fused_moe_wgmma, signature, constants, aligned),
        target=GPUTarget("cuda", 90, 32),
        options={"num_warps": WARPS, "maxnreg": MOST_REGISTERS},
    )
    return machine_code(made.asm["cubin"]), made.metadata.shared


def machine_code(cubin: bytes) -> str:
    spec = importlib.util.find_spec("triton")
    assert spec is not None
    assert spec.origin is not None
    nvdisasm = Path(spec.origin).parent / "backends/nvidia/bin/nvdisasm"
    file = Path(os.environ["TRITON_CACHE_DIR"]) / "wgmma.cubin"
    file.write_bytes(cubin)
    done = subprocess.run(
        [nvdisasm, "-c", file], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("fused", [True, False])
def test_sums_stay_in_registers_while_the_tensor_cores_work(
    fused: bool,  # noqa: FBT001 -- a parameter
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    code, shared = compiled(fused=fused)
    assert shared <= SHARED_BYTES
    lines = code.splitlines()
    products = [i for i, line in enumerate(lines) if "QGMMA.64x128x32" in line]
    # 128 columns are 4 products. Each of two warp groups has a loop of two times so
    # many, for tiles of 128 rows, and one of so many, for those of 64.
    assert len(products) == 2 * (8 + 4)
    loops = [products[i : i + n] for i, n in ((0, 8), (8, 4), (12, 8), (20, 4))]
    for loop in loops:
        begin = next(
            i for i in range(loop[0], 0, -1) if re.match(r"\.L_x_\d+:", lines[i])
        )
        end = next(
            i
            for i in range(loop[-1], len(lines))
            if re.search(r"@!?U?P\d BRA", lines[i])
        )
        inside = lines[begin:end]
        assert sum("FFMA" in line for line in inside) >= 16 * len(loop)
        assert not [line for line in inside if re.search(r"\b(LDL|STL)\b", line)]
