"""Recorded programs: the kernels of each range by their time."""

from collections.abc import Sequence

from dsprof.analysis.model_kernels import ModelKernels
from dsprof.analysis.report.index_embed import Json, numbers, texts

_TEXTS = ("kernel_name", "friendly", "description", "library", "family")
_NUMBERS = (
    *("share_pct", "total_ns", "instances", "mean_ns", "median_ns"),
    *("min_ns", "max_ns", "configurations"),
)
_COUNTED_TEXTS = ("class", "limiter", "why_missing")
_COUNTED_NUMBERS = ("spec_roof_pct", "headroom_pct", "sm_pct", "memory_pct", "dram_pct")


def program_rows(models: Sequence[ModelKernels]) -> Json:
    """One entry a range."""
    return [_program(model) for model in models]


def _program(model: ModelKernels) -> Json:
    kernels, top = model.kernels, model.top
    rest = len(kernels) - len(top)
    columns: dict[str, Json] = {name: texts(kernels[name]) for name in _TEXTS}
    columns |= {name: numbers(kernels[name].tolist()) for name in _NUMBERS}
    # ``top`` has the first rows of ``kernels``, in the same order.
    columns |= {name: texts([*top[name], *[""] * rest]) for name in _COUNTED_TEXTS}
    columns |= {
        name: numbers([*top[name].tolist(), *[None] * rest])
        for name in _COUNTED_NUMBERS
    }
    return {
        "range": model.name,
        "program": model.timeline.program,
        "mode": model.timeline.mode,
        "devices": list(model.timeline.device_names),
        "kernels": columns,
    }
