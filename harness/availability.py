"""What can run on this machine, judged without importing torch or a kernel package."""

from collections.abc import Callable

from dsprof.harness.environment import Gpu, import_nvml, read_gpu
from dsprof.harness.errors import EnvironmentLacksError
from dsprof.harness.signatures import releases_of
from dsprof.harness.versions import package_version
from dsprof.kernels.spec import Kernel


def find_gpu() -> Gpu | None:
    """The GPU that CUDA would use first; None without a driver, GPU or nvidia-ml-py."""
    try:
        return read_gpu(import_nvml())
    except EnvironmentLacksError:
        return None


def likely_provider(
    kernel: Kernel,
    version_of: Callable[[str], str | None] = package_version,
) -> str | None:
    """Name the provider that a run would call, as far as can be told unimported.

    That is the first whose package is installed, unless that very release is
    recorded as lacking one of its symbols.
    """
    for provider in kernel.providers:
        version = version_of(provider.package)
        if version is not None and not any(
            release.version == version and symbol in release.absent
            for symbol in provider.symbols
            for release in releases_of(symbol)
        ):
            return provider.name
    return None


def why_not(
    kernel: Kernel,
    gpu: Gpu | None,
    version_of: Callable[[str], str | None] = package_version,
) -> str | None:
    """Why a kernel cannot run here, or None if nothing speaks against it."""
    if gpu is None:
        return "no NVIDIA GPU found"
    if reason := kernel.capability_reason(gpu.compute_capability):
        return reason
    if likely_provider(kernel, version_of) is None:
        packages = dict.fromkeys(provider.package for provider in kernel.providers)
        return f"no installed package has it: {' or '.join(packages)}"
    return None
