"""The GPU that a foreign report was made on, as far as the report says."""

import re
from collections.abc import Mapping, Sequence

from dsprof.analysis.launches import ATTRIBUTE_PREFIX, PEAK_SUFFIX, Launch, Value
from dsprof.harness.device import Datapath, DeviceSpec, match_device

# FP32 multiply-adds an SM and cycle: CUDA C++ Programming Guide, "Throughput of
# Native Arithmetic Instructions". A capability that it does not list is not guessed.
FFMA_PER_SM = {
    (7, 0): 64,
    (7, 5): 64,
    (8, 0): 64,
    (8, 6): 128,
    (8, 9): 128,
    (9, 0): 128,
    (10, 0): 128,
    (12, 0): 128,
}
FFMA_PEAK = f"sm__sass_thread_inst_executed_op_ffma_pred_on{PEAK_SUFFIX}"
# Without "sparsity_off" the peak of a tensor path is that of sparse operands.
TENSOR_PEAKS = {
    Datapath.FP8_TENSOR: f"src_fp8_sparsity_off{PEAK_SUFFIX}",
    Datapath.BF16_TENSOR: f"src_bf16_dst_fp32_sparsity_off{PEAK_SUFFIX}",
}
_KHZ = 1000.0


def device_from_launches(launches: Sequence[Launch]) -> DeviceSpec | None:
    """The GPU of these launches: a known one, else one of the report's attributes.

    None where the report names no GPU that is known and has too few attributes. Its
    launches are taken to be of one GPU model.
    """
    named = next((launch for launch in launches if launch.device_name), None)
    if named is None:
        return None
    known = match_device(named.device_name, named.compute_capability)
    return known or _derived(named)


def _derived(launch: Launch) -> DeviceSpec | None:
    memory_khz = _attribute(launch, "memory_clock_rate")
    bus_bits = _attribute(launch, "fb_bus_width")
    sms = _attribute(launch, "multiprocessor_count")
    l2_bytes = _attribute(launch, "l2_cache_size")
    peaks = _peaks(launch, sms)
    if not (memory_khz and bus_bits and sms and l2_bytes and peaks):
        return None
    sources = {
        "compute_capability": _source("compute_capability_major", "_minor"),
        "sms": _source("multiprocessor_count"),
        "l2_bytes": _source("l2_cache_size"),
        "hbm_bytes_per_s": (
            f"{_source('memory_clock_rate', 'fb_bus_width')}: 2 x {memory_khz:g} kHz "
            f"x {bus_bits:g} bit / 8"
        ),
    }
    rates = {f"flops_per_s.{path}": source for path, (_, source) in peaks.items()}
    return DeviceSpec(
        id=re.sub(r"[^a-z0-9]+", "-", launch.device_name.lower()).strip("-"),
        name=launch.device_name,
        match=(launch.device_name,),
        compute_capability=launch.compute_capability,
        sms=int(sms),
        l2_bytes=int(l2_bytes),
        hbm_bytes_per_s=2 * memory_khz * _KHZ * bus_bits / 8,
        flops_per_s={path: rate for path, (rate, _) in peaks.items()},
        sources=sources | rates,
    )


def _peaks(launch: Launch, sms: float) -> dict[Datapath, tuple[float, str]]:
    """Peak rates at the highest SM clock, each with its source."""
    clock_khz = _attribute(launch, "clock_rate")
    if not clock_khz:
        return {}
    clock = f"{clock_khz:g} kHz ({_source('clock_rate')})"
    peaks: dict[Datapath, tuple[float, str]] = {}
    for path, suffix in TENSOR_PEAKS.items():
        metric = _largest(launch.values, suffix)
        if metric is not None:
            per_cycle = float(launch.values[metric])
            source = f"imported report: {metric} ({per_cycle:g} FLOP a cycle) x {clock}"
            peaks[path] = (per_cycle * clock_khz * _KHZ, source)
    ffma = launch.values.get(FFMA_PEAK)
    per_sm = FFMA_PER_SM.get(launch.compute_capability)
    if isinstance(ffma, int | float) and ffma > 0:
        source = f"imported report: 2 x {FFMA_PEAK} ({ffma:g} a cycle) x {clock}"
        peaks[Datapath.FP32] = (2 * ffma * clock_khz * _KHZ, source)
    elif per_sm is not None and sms:
        source = (
            f"2 x {per_sm} FFMA an SM and cycle (CUDA C++ Programming Guide, "
            f"throughput of native arithmetic instructions) x {sms:g} SMs x {clock}"
        )
        peaks[Datapath.FP32] = (2 * per_sm * sms * clock_khz * _KHZ, source)
    return peaks if Datapath.FP32 in peaks else {}


def _largest(values: Mapping[str, Value], suffix: str) -> str | None:
    """The metric of this suffix with the largest value: the chip's fastest path."""
    rates = {
        name: value
        for name, value in values.items()
        if name.endswith(suffix) and isinstance(value, int | float) and value > 0
    }
    return max(rates, key=rates.__getitem__, default=None)


def _attribute(launch: Launch, name: str) -> float:
    value = launch.values.get(f"{ATTRIBUTE_PREFIX}{name}", 0)
    return float(value) if isinstance(value, int | float) else 0.0


def _source(*names: str) -> str:
    return f"imported report: {ATTRIBUTE_PREFIX}{', '.join(names)}"
