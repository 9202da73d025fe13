"""Layers with terms in round numbers, on a machine in round numbers."""

from collections.abc import Mapping
from typing import Any

from dsprof.analysis.whatif.target import Target
from dsprof.analysis.whatif.terms import CallTerms, LayerTerms
from dsprof.harness.device import Datapath
from dsprof.harness.records import Cache, LayerPath, Phase

FP8, BF16, FP32 = Datapath.FP8_TENSOR, Datapath.BF16_TENSOR, Datapath.FP32
# Balance of FP8 at 400 FLOP/byte.
TOY = Target(
    name="Toy GPU",
    flops_per_s={FP8: 2e15, BF16: 1e15, FP32: 5e13},
    hbm_bytes_per_s=5e12,
    on_chip_bytes=50e6,
    on_chip_bytes_per_s=1e13,
    hbm_latency_s=1e-6,
    launch_latency_s=1e-6,
)
US = 1e-6


def make_call(**changes: Any) -> CallTerms:  # noqa: ANN401 -- any field
    """A call whose times and work agree at the toy's rates, unless they are given.

    Terms are given in us: ``tensor``, ``bf16``, ``vector``, ``hbm``, ``on_chip`` and
    ``fixed``.
    """
    us = {
        name: float(changes.pop(name, 0.0))
        for name in ("tensor", "bf16", "vector", "hbm", "on_chip", "fixed")
    }
    tensor = {
        path: us[name] * US
        for path, name in ((FP8, "tensor"), (BF16, "bf16"))
        if us[name]
    }
    flops: Mapping[Datapath, float] = {
        path: seconds * TOY.flops_per_s[path] for path, seconds in tensor.items()
    }
    if us["vector"]:
        flops = {**flops, FP32: us["vector"] * US * TOY.flops_per_s[FP32]}
    shared = (us["tensor"], us["bf16"], us["vector"], us["hbm"], us["on_chip"])
    time_s = (max(shared) + us["fixed"]) * US
    hbm_bytes = us["hbm"] * US * TOY.hbm_bytes_per_s
    fields: dict[str, Any] = {
        "kernel": "gemm",
        "op": "q_b_proj",
        "category": "GEMM",
        "time_s": time_s,
        "fitted_s": time_s,
        "tensor_s": tensor,
        "vector_s": us["vector"] * US,
        "hbm_s": us["hbm"] * US,
        "on_chip_s": us["on_chip"] * US,
        "fixed_s": us["fixed"] * US,
        "flops": flops,
        "hbm_bytes": hbm_bytes,
        "on_chip_bytes": max(us["on_chip"] * US * TOY.on_chip_bytes_per_s, hbm_bytes),
        "footprint_bytes": hbm_bytes,
        "error_pct": 5.0,
    }
    return CallTerms(**{**fields, **changes})


def make_layer(*calls: CallTerms, **changes: Any) -> LayerTerms:  # noqa: ANN401
    """Decode at B=4 with these calls."""
    fields: dict[str, Any] = {
        "phase": Phase.DECODE,
        "batch_size": 4,
        "seq_len": 1,
        "kv_len": 1000,
        "path": LayerPath.AS_SERVED,
        "cache": Cache.COLD,
        "source": TOY,
        "calls": calls,
    }
    return LayerTerms(**{**fields, **changes})
