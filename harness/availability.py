"""What can run on this machine, judged without importing torch or a kernel package."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from dsprof.kernels.spec import Kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """The first NVIDIA GPU as the driver reports it."""

    name: str
    compute_capability: tuple[int, int]


def find_gpu() -> Gpu | None:
    """Ask NVML for the first GPU; None without a driver, a GPU or nvidia-ml-py."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        return Gpu(
            name=pynvml.nvmlDeviceGetName(handle),
            compute_capability=tuple(pynvml.nvmlDeviceGetCudaComputeCapability(handle)),
        )
    except pynvml.NVMLError:
        return None


def is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def why_not(
    kernel: Kernel,
    gpu: Gpu | None,
    has_package: Callable[[str], bool] = is_installed,
) -> str | None:
    """Why a kernel cannot run here, or None if nothing speaks against it."""
    if gpu is None:
        return "no NVIDIA GPU found"
    if reason := kernel.capability_reason(gpu.compute_capability):
        return reason
    packages = [provider.package for provider in kernel.providers]
    if not any(has_package(package) for package in packages):
        return f"package {' or '.join(packages)} is missing"
    return None
