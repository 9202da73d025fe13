"""What can run on this machine, judged without importing torch or a kernel package."""

import importlib.util
from collections.abc import Callable

from dsprof.harness.environment import Gpu, import_nvml, read_gpu
from dsprof.harness.errors import EnvironmentLacksError
from dsprof.kernels.spec import Kernel


def find_gpu() -> Gpu | None:
    """The GPU that CUDA would use first; None without a driver, GPU or nvidia-ml-py."""
    try:
        return read_gpu(import_nvml())
    except EnvironmentLacksError:
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
