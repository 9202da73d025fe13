"""Advice on a model's kernels: what could be gained where, and at most how much.

Each piece stands on a threshold named here, gives the number that reached it, and cites
the ranks of the kernels. A gain is an upper bound: what would go if its cause went.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsprof.analysis.classify import BoundClass
from dsprof.analysis.findings import Finding
from dsprof.analysis.limiter import Limiter
from dsprof.analysis.model_conclusions import (
    WORTH_PCT,
    moved_bytes,
    of_families,
    shares,
)
from dsprof.analysis.model_findings import (
    FUSABLE,
    NOTABLE_PCT,
    finding,
    idle_pct,
    percent,
    share,
    time_weighted,
)
from dsprof.analysis.model_kernels import ModelKernels
from dsprof.analysis.names import Family
from dsprof.analysis.numerals import plural, scaled_bytes, significant
from dsprof.harness.device import Datapath

if TYPE_CHECKING:
    import pandas as pd

TUNING_PCT = 1  # of the kernel time: headroom of one kernel that is worth its tuning
NEAR_ROOF_PCT = 60  # of the memory roof: only fewer bytes help
SHOWN_TUNING = 3
GRAPH_MODE = "CUDA graph"
WEIGHTS = (Family.GEMV, Family.GEMM)
MOVES = (Family.COPY_CAST, Family.CONCAT)


def recommendations(model: ModelKernels) -> list[Finding]:
    """Advice, each with the cause and the most that it could give."""
    rows = model.counted
    found = [*_launch_advice(model), *_fusion_advice(model)]
    if len(rows):
        found += [
            *_batch_advice(model),
            *_smaller_weights_advice(rows),
            *_precision_advice(model),
            *_parallelism_advice(rows),
            *_attention_advice(rows),
            *_tuning_advice(rows),
        ]
    return found


def _launch_advice(model: ModelKernels) -> Iterator[Finding]:
    idle = idle_pct(model)
    if idle < WORTH_PCT:
        return
    faster = model.time.wall_ns / max(model.time.busy_ns, 1)
    if GRAPH_MODE in model.timeline.mode:
        advice = "look at what the host does between replays of the graph"
    else:
        advice = "launch from a CUDA graph, or launch fewer kernels"
    yield finding(
        "Close the gaps",
        f"{advice}: without gaps the range would be at most {significant(faster)} "
        "times as fast",
    )


def _fusion_advice(model: ModelKernels) -> Iterator[Finding]:
    by_family, part = shares(model), of_families(model, FUSABLE)
    total = sum(by_family.get(family, 0.0) for family in FUSABLE)
    if total >= WORTH_PCT:
        moved = part.dropna(subset=["dram_bytes"])
        words = ""
        if len(moved):
            dram = scaled_bytes(moved_bytes(moved, "dram_bytes"))
            words = f"; those counted move {dram} from and to DRAM"
        yield finding(
            "Fuse small operations into their neighbours",
            f"at most {percent(total)} of the kernel time{words}",
            part,
        )
    moves = sum(by_family.get(family, 0.0) for family in MOVES)
    if moves >= NOTABLE_PCT:
        yield finding(
            "Keep one data type and layout",
            f"copies, casts and concatenations take {percent(moves)} of the kernel "
            "time and compute nothing",
            of_families(model, MOVES),
        )


def _weights(rows: "pd.DataFrame") -> "pd.DataFrame":
    """Memory-bound matrix products: they read weights."""
    return rows[
        rows["family"].isin([str(family) for family in WEIGHTS])
        & (rows["class"] == BoundClass.MEMORY)
    ]


def _batch_advice(model: ModelKernels) -> Iterator[Finding]:
    part = _weights(model.counted)
    known = part.dropna(subset=["executed_flops", "dram_bytes", "ridge_flop_per_byte"])
    if share(part) < WORTH_PCT or not len(known):
        return
    flops, moved = (
        moved_bytes(known, name) for name in ("executed_flops", "dram_bytes")
    )
    if not flops or not moved:
        return
    longest = known.nlargest(1, "share_pct").iloc[0]
    ridge, intensity = float(longest["ridge_flop_per_byte"]), flops / moved
    if ridge <= intensity:
        return
    yield finding(
        "More rows a launch (batching, speculative decoding)",
        f"memory-bound matrix products take {percent(share(part))} of the kernel time "
        f"at {significant(intensity)} FLOP/byte; the ridge of their "
        f"{longest['datapath']} units is {significant(ridge)}, so "
        f"{significant(ridge / intensity)} times the FLOP would fit into the time of "
        "the same bytes",
        part,
    )


def _smaller_weights_advice(rows: "pd.DataFrame") -> Iterator[Finding]:
    part = _weights(rows)
    near = part[part["spec_roof_pct"] >= NEAR_ROOF_PCT]
    if share(near) >= WORTH_PCT:
        half = (near["share_pct"] * near["spec_roof_pct"]).sum() / 100 / 2
        yield finding(
            "Fewer bytes a weight",
            f"memory-bound matrix products with {percent(share(near))} of the kernel "
            f"time run at {percent(time_weighted(near, 'spec_roof_pct'))} of the rated "
            f"memory roof; half the bytes would save at most {percent(half)}",
            near,
        )


def _precision_advice(model: ModelKernels) -> Iterator[Finding]:
    rates = model.profile.device.flops_per_s
    fp8, bf16 = rates.get(Datapath.FP8_TENSOR), rates.get(Datapath.BF16_TENSOR)
    rows = model.counted
    part = rows[
        (rows["class"] == BoundClass.COMPUTE)
        & (rows["limiter"] == Limiter.TENSOR)
        & (rows["datapath"] == Datapath.BF16_TENSOR)
    ]
    if share(part) >= WORTH_PCT and fp8 and bf16:
        saved = share(part) * (1 - bf16 / fp8)
        yield finding(
            "Narrower tensor types",
            f"compute-bound BF16 kernels take {percent(share(part))} of the kernel "
            f"time; FP8 runs {significant(fp8 / bf16)} times the FLOP/s, which would "
            f"save at most {percent(saved)}",
            part,
        )


def _parallelism_advice(rows: "pd.DataFrame") -> Iterator[Finding]:
    idle = rows[rows["limiter"] == Limiter.LATENCY]
    if share(idle) >= WORTH_PCT:
        small = int((idle["waves_per_sm"] < 1).sum())
        yield finding(
            "More parallel work in kernels that wait",
            f"no unit is busy in {plural(len(idle), 'kernel')} with "
            f"{percent(share(idle))} of the kernel time, {small} of them with less "
            "than one wave of "
            "blocks: split the reduction, batch the work, or fuse it away",
            idle,
        )


def _attention_advice(rows: "pd.DataFrame") -> Iterator[Finding]:
    part = rows[rows["family"] == Family.ATTENTION].dropna(subset=["headroom_pct"])
    gain = float(part["headroom_pct"].sum())
    if share(part) >= WORTH_PCT and gain >= TUNING_PCT:
        yield finding(
            "Attention",
            f"{percent(share(part))} of the kernel time, of which {percent(gain)} of "
            "the kernel time lies above its rated roof",
            part,
        )


def _tuning_advice(rows: "pd.DataFrame") -> Iterator[Finding]:
    """The kernels whose own tuning would give most."""
    worth = rows[rows["headroom_pct"] >= TUNING_PCT].nlargest(
        SHOWN_TUNING, "headroom_pct"
    )
    for _, row in worth.iterrows():
        yield finding(
            f"Tune or replace {row['friendly']}",
            f"at most {percent(row['headroom_pct'])} of the kernel time: "
            f"{significant(row['kernel_us'])} us a launch against "
            f"{significant(row['spec_roof_us'])} us at the rated roof "
            f"({row['spec_roof_by']}); {row['class']}, limited by "
            f"{row['limiter'] or 'nothing known'}",
            rows[rows["rank"] == row["rank"]],
        )
