"""What a run is made in: the GPU and its driver, the packages, tools and sources."""

import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from dsprof.harness.clocks import MILLIWATTS, throttle_reasons
from dsprof.harness.errors import INSTALL_GPU, EnvironmentLacksError
from dsprof.harness.versions import (
    package_version,
    source_revision,
    source_sha256,
    source_version,
    tool_version,
    torch_cuda_version,
)

PACKAGES = ("torch", "triton", "sgl_kernel", "flashinfer", "nvtx", "pynvml", "numpy")
TOOLS = ("ncu", "nsys")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU as its driver describes it now; None is what the driver cannot say."""

    name: str
    compute_capability: tuple[int, int]
    memory_bytes: int
    driver_version: str
    cuda_driver_version: str
    power_limit_w: float | None
    sm_clock_mhz: int | None
    max_sm_clock_mhz: int | None
    memory_clock_mhz: int | None
    max_memory_clock_mhz: int | None
    throttle_reasons: tuple[str, ...]


def collect_environment(
    package_names: Iterable[str] = PACKAGES, *, gpu_uuid: str | None = None
) -> dict[str, str | None]:
    """Describe this machine by versions and settings, with None for what is absent.

    Holds nothing that names the machine or its user. The GPU is the one with this
    UUID, or the first that CUDA would use.
    """
    return {
        "dsprof": source_version(),
        "dsprof_revision": source_revision(),
        "dsprof_source_sha256": source_sha256(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip() or None,
        **_gpu_environment(gpu_uuid),
        **{name: package_version(name) for name in package_names},
        "torch_cuda": torch_cuda_version(),
        **{name: tool_version(name) for name in TOOLS},
    }


def _gpu_environment(gpu_uuid: str | None) -> dict[str, str | None]:
    try:
        gpu = read_gpu(import_nvml(), gpu_uuid)
    except EnvironmentLacksError:
        gpu = None
    values: dict[str, object] = {
        "gpu": gpu and gpu.name,
        "driver": gpu and gpu.driver_version,
        "cuda_driver": gpu and gpu.cuda_driver_version,
        "power_limit_w": gpu and gpu.power_limit_w,
        "max_sm_clock_mhz": gpu and gpu.max_sm_clock_mhz,
        "max_memory_clock_mhz": gpu and gpu.max_memory_clock_mhz,
    }
    return {key: None if value is None else str(value) for key, value in values.items()}


def import_nvml() -> Any:  # noqa: ANN401 -- pynvml has no types
    """Return the pynvml module; an EnvironmentLacksError if it is not installed."""
    try:
        import pynvml
    except ImportError:
        raise EnvironmentLacksError(
            "The package nvidia-ml-py is missing, so no GPU can be looked for. "
            f"Install it with: {INSTALL_GPU}."
        ) from None
    return pynvml


def read_gpu(nvml: Any, gpu_uuid: str | None = None) -> Gpu:  # noqa: ANN401 -- pynvml has no types
    """Read a GPU through NVML; an EnvironmentLacksError if there is none."""
    try:
        nvml.nvmlInit()
        try:
            return _describe(nvml, _handle(nvml, gpu_uuid))
        finally:
            nvml.nvmlShutdown()
    except nvml.NVMLError as error:
        raise EnvironmentLacksError(
            f"NVML finds no GPU: {error}. Install the NVIDIA driver and check that "
            "nvidia-smi works."
        ) from error


def _handle(nvml: Any, gpu_uuid: str | None) -> Any:  # noqa: ANN401 -- pynvml has no types
    """Return the GPU with this UUID, or CUDA_VISIBLE_DEVICES' first, or the first."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    wanted = gpu_uuid or visible
    if wanted.isdecimal():
        return nvml.nvmlDeviceGetHandleByIndex(int(wanted))
    if wanted.startswith(("GPU-", "MIG-")):
        return nvml.nvmlDeviceGetHandleByUUID(wanted)
    raise EnvironmentLacksError(
        f"CUDA_VISIBLE_DEVICES is '{visible}', which hides every GPU. Unset it."
    )


def _describe(nvml: Any, gpu: Any) -> Gpu:  # noqa: ANN401 -- pynvml has no types
    def ask(query: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
        """Answer None where this GPU does not support the query."""
        try:
            return query(gpu, *arguments)
        except nvml.NVMLError:
            return None

    power_limit_mw = ask(nvml.nvmlDeviceGetEnforcedPowerLimit)
    cuda = nvml.nvmlSystemGetCudaDriverVersion()
    return Gpu(
        name=nvml.nvmlDeviceGetName(gpu),
        compute_capability=tuple(nvml.nvmlDeviceGetCudaComputeCapability(gpu)),
        memory_bytes=nvml.nvmlDeviceGetMemoryInfo(gpu).total,
        driver_version=nvml.nvmlSystemGetDriverVersion(),
        cuda_driver_version=f"{cuda // 1000}.{cuda % 1000 // 10}",  # 13020 is 13.2
        power_limit_w=None if power_limit_mw is None else power_limit_mw / MILLIWATTS,
        sm_clock_mhz=ask(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM),
        max_sm_clock_mhz=ask(nvml.nvmlDeviceGetMaxClockInfo, nvml.NVML_CLOCK_SM),
        memory_clock_mhz=ask(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_MEM),
        max_memory_clock_mhz=ask(nvml.nvmlDeviceGetMaxClockInfo, nvml.NVML_CLOCK_MEM),
        throttle_reasons=throttle_reasons(
            ask(nvml.nvmlDeviceGetCurrentClocksEventReasons) or 0
        ),
    )
