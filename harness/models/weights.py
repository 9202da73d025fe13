"""Builds a model with random weights where it will run, if they fit there."""

import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsprof.harness.errors import EnvironmentLacksError, UsageError
from dsprof.harness.models.job import Experts, ModelJob
from dsprof.harness.models.libraries import import_transformers
from dsprof.harness.models.whole_model import WholeModel

if TYPE_CHECKING:
    import torch

# transformers' initializer_range, which keeps logits and routing scores near 1. Its
# SAM part asks for 1e-10 there, with which every image would look the same.
STANDARD_DEVIATION = 0.02
ATTENTION = "sdpa"
GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How much a model weighs, counted without allocating anything."""

    parameters: int
    total_bytes: int


def require_device(device: str) -> None:
    """Raise EnvironmentLacksError unless torch can run on this device."""
    import torch

    if device == "cpu":
        return
    if not device.startswith("cuda"):
        raise UsageError(f"--device is '{device}'. Take cuda, cuda:N or cpu.")
    if not torch.cuda.is_available():
        raise EnvironmentLacksError(
            "torch sees no CUDA device. Run this on a machine with a GPU, or try the "
            "program with: --device cpu --tiny."
        )
    index = torch.device(device).index or 0
    if index >= torch.cuda.device_count():
        raise UsageError(
            f"--device is '{device}'; torch sees {torch.cuda.device_count()} GPU(s)."
        )


def weigh(whole: WholeModel, experts: Experts) -> Weights:
    """Count the weights of a model on torch's meta device."""
    model = _construct(whole, experts, device="meta")
    parameters = list(model.parameters())
    return Weights(
        parameters=sum(parameter.numel() for parameter in parameters),
        total_bytes=sum(p.numel() * p.element_size() for p in parameters),
    )


def require_memory(
    job: ModelJob, whole: WholeModel, weights: Weights, free_bytes: int
) -> None:
    """Raise EnvironmentLacksError if the model would not fit, with the sum."""
    cache = whole.most_tokens * whole.cache_bytes_per_token
    needed = weights.total_bytes + cache + whole.working_bytes
    if needed <= free_bytes:
        return
    way_out = "Free some of it, or run on a larger one."
    if whole.layer_bytes:
        fitting = job.layers - -(-(needed - free_bytes) // whole.layer_bytes)
        if fitting >= 1:
            way_out = f"About {fitting} layers would fit: --layers {fitting}."
    raise EnvironmentLacksError(
        f"{job.model} ({whole.size}) needs {needed / GIB:.1f} GiB: "
        f"{weights.total_bytes / GIB:.1f} of weights, {cache / GIB:.1f} of KV cache "
        f"and {whole.working_bytes / GIB:.1f} to work in; {job.device} has "
        f"{free_bytes / GIB:.1f} GiB free. {way_out}"
    )


def free_memory_bytes(device: str) -> int:
    """Bytes that can be allocated on a device now; a CPU's whole memory."""
    import torch

    if device == "cpu":
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(torch.cuda.mem_get_info(device)[0])


def peak_memory_bytes(device: str) -> int | None:
    """Most bytes that torch's tensors have held on a GPU; None on a CPU."""
    import torch

    return None if device == "cpu" else int(torch.cuda.max_memory_allocated(device))


def device_name(device: str) -> str:
    """The GPU's name, or the kind of processor."""
    import torch

    if device == "cpu":
        return platform.machine()
    return str(torch.cuda.get_device_name(device))


def build(whole: WholeModel, job: ModelJob) -> "torch.nn.Module":
    """Allocate the model on the job's device and fill it; the same at the same seed."""
    import torch

    torch.manual_seed(job.seed)
    model = _construct(whole, job.experts_used, device=job.device)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            _fill(name, parameter)
        for name, buffer in model.named_buffers():
            # The published weights keep the router's correction in FP32.
            if name.endswith("e_score_correction_bias"):
                buffer.data = buffer.float()
    evaluated: torch.nn.Module = model.eval()
    return evaluated


def _fill(name: str, parameter: "torch.Tensor") -> None:
    if name.endswith("bias"):
        parameter.zero_()
    elif "norm" in name:
        parameter.fill_(1.0)
    else:
        parameter.normal_(std=STANDARD_DEVIATION)


def _construct(whole: WholeModel, experts: Experts, *, device: str) -> Any:  # noqa: ANN401 -- transformers has no types
    """Make the module with BF16 weights as they come from the allocator.

    Buffers that are computed, as the rotary frequencies, are computed on the device.
    """
    import torch

    transformers = import_transformers()
    from transformers.initialization import no_init_weights

    architecture = getattr(transformers, whole.architecture)
    with torch.device(device), no_init_weights():
        return architecture._from_config(  # noqa: SLF001 -- the way to a model without files
            whole.config,
            dtype=torch.bfloat16,
            attn_implementation=ATTENTION,
            experts_implementation=str(experts),
        )
