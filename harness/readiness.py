"""What `dsprof doctor` checks: what profiling needs, what was found, how to mend it."""

import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dsprof.harness.device import match_device
from dsprof.harness.environment import Gpu, import_nvml, read_gpu
from dsprof.harness.errors import INSTALL_GPU, EnvironmentLacksError
from dsprof.harness.versions import (
    DISTRIBUTIONS,
    UNKNOWN,
    package_version,
    tool_version,
    torch_cuda_version,
)

MIN_PYTHON = (3, 11)
DRIVER_PARAMS = Path("/proc/driver/nvidia/params")
PROCESS_STATUS = Path("/proc/self/status")
CAP_SYS_ADMIN = 1 << 21  # linux/capability.h
GIB = 2**30


class State(StrEnum):
    """What a check found."""

    OK = "ok"
    WARNING = "warning"  # `dsprof time` runs, with less or at a risk
    MISSING = "missing"  # `dsprof time` cannot run without it


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the doctor's table; ``fix`` is empty where the state is ok."""

    name: str
    state: State
    found: str
    fix: str = ""


def checks() -> list[Check]:
    """Look at this machine; takes well under a second without importing torch."""
    gpu, no_gpu = _gpu()
    return [
        check_python(sys.version_info[:3]),
        check_gpu(gpu, no_gpu),
        check_known_device(gpu),
        check_clocks(gpu),
        check_torch(package_version("torch"), torch_cuda_version(), gpu),
        check_package("triton", package_version("triton"), State.WARNING),
        check_package("sgl_kernel", package_version("sgl_kernel"), State.MISSING),
        check_package("flashinfer", package_version("flashinfer"), State.WARNING),
        check_package("nvtx", package_version("nvtx"), State.MISSING),
        check_package("pynvml", package_version("pynvml"), State.MISSING),
        check_tool("ncu", tool_version("ncu")),
        check_tool("nsys", tool_version("nsys")),
        check_counters(DRIVER_PARAMS, PROCESS_STATUS),
    ]


def can_time(found: list[Check]) -> bool:
    """True if `dsprof time` has all that it needs."""
    return all(check.state is not State.MISSING for check in found)


def _gpu() -> tuple[Gpu | None, str]:
    try:
        return read_gpu(import_nvml()), ""
    except EnvironmentLacksError as error:
        return None, str(error)


def check_python(version: tuple[int, ...]) -> Check:
    found = ".".join(map(str, version))
    if version >= MIN_PYTHON:
        return Check(name="Python", state=State.OK, found=found)
    fix = f"Make the environment with Python {MIN_PYTHON[0]}.{MIN_PYTHON[1]} or later."
    return Check(name="Python", state=State.MISSING, found=found, fix=fix)


def check_gpu(gpu: Gpu | None, reason: str) -> Check:
    """Say which GPU and driver there are, or with ``reason`` why there are none."""
    if gpu is None:
        problem, _, fix = reason.partition(". ")
        return Check(name="GPU", state=State.MISSING, found=f"{problem}.", fix=fix)
    major, minor = gpu.compute_capability
    found = (
        f"{gpu.name}, compute capability {major}.{minor}, "
        f"{gpu.memory_bytes / GIB:.0f} GiB; driver {gpu.driver_version} "
        f"(CUDA {gpu.cuda_driver_version})"
    )
    return Check(name="GPU", state=State.OK, found=found)


def check_known_device(gpu: Gpu | None) -> Check:
    """Percentages of peak need the GPU's rated limits."""
    name = "GPU peaks"
    if gpu is None:
        return Check(name=name, state=State.WARNING, found="no GPU", fix="See GPU.")
    spec = match_device(gpu.name, gpu.compute_capability)
    if spec is None:
        fix = "Describe the GPU in a TOML file and give it with --device."
        found = f"none for '{gpu.name}'"
        return Check(name=name, state=State.WARNING, found=found, fix=fix)
    return Check(name=name, state=State.OK, found=spec.id)


def check_clocks(gpu: Gpu | None) -> Check:
    """Warn where something holds the clocks down before any kernel runs."""
    if gpu is None:
        return Check(name="Clocks", state=State.WARNING, found="no GPU", fix="See GPU.")
    found = (
        f"SM {_of(gpu.sm_clock_mhz, gpu.max_sm_clock_mhz)}, "
        f"memory {_of(gpu.memory_clock_mhz, gpu.max_memory_clock_mhz)}"
    )
    if not gpu.throttle_reasons:
        return Check(name="Clocks", state=State.OK, found=found)
    return Check(
        name="Clocks",
        state=State.WARNING,
        found=f"{found}; held down by {', '.join(gpu.throttle_reasons)}",
        fix="Let the GPU cool, and undo clock settings: nvidia-smi -rgc, then -rac.",
    )


def _of(now_mhz: int | None, max_mhz: int | None) -> str:
    now, most = (UNKNOWN if mhz is None else str(mhz) for mhz in (now_mhz, max_mhz))
    return f"{now} of {most} MHz"


def check_torch(version: str | None, cuda: str | None, gpu: Gpu | None) -> Check:
    """Judge torch by what its files say; importing it would take seconds."""
    if version is None:
        fix = f"{INSTALL_GPU}."
        return Check(name="torch", state=State.MISSING, found="absent", fix=fix)
    if cuda is None:
        fix = "Install a CUDA build of torch."
        found = f"{version}, built without CUDA"
        return Check(name="torch", state=State.MISSING, found=found, fix=fix)
    found = f"{version}, CUDA {cuda}"
    if gpu is not None and _major(cuda) > _major(gpu.cuda_driver_version):
        return Check(
            name="torch",
            state=State.WARNING,
            found=f"{found}; the driver's is {gpu.cuda_driver_version}",
            fix=f"Update the driver to one for CUDA {_major(cuda)}.",
        )
    return Check(name="torch", state=State.OK, found=found)


def _major(version: str) -> int:
    return int(version.partition(".")[0])


def check_package(module: str, version: str | None, absent: State) -> Check:
    """Judge a package by its version; ``absent`` is the state if it has none."""
    if version is None:
        distribution = DISTRIBUTIONS.get(module, (module,))[0]
        fix = f"{INSTALL_GPU} brings {distribution}."
        return Check(name=module, state=absent, found="absent", fix=fix)
    return Check(name=module, state=State.OK, found=version)


def check_tool(name: str, version: str | None) -> Check:
    """Judge Nsight Compute or Nsight Systems; timing needs neither."""
    if version is None:
        product = {"ncu": "Nsight Compute", "nsys": "Nsight Systems"}[name]
        fix = f"Install {product} and put {name} on PATH."
        return Check(name=name, state=State.WARNING, found="not on PATH", fix=fix)
    if version == UNKNOWN:
        found, fix = "on PATH, but states no version", f"Try: {name} --version."
        return Check(name=name, state=State.WARNING, found=found, fix=fix)
    return Check(name=name, state=State.OK, found=version)


def check_counters(driver_params: Path, process_status: Path) -> Check:
    """Say whether ncu may read hardware counters here.

    The driver grants them to every user if RmProfilingAdminOnly is 0, otherwise to
    processes with CAP_SYS_ADMIN (developer.nvidia.com/ERR_NVGPUCTRPERM).
    """
    name = "Counters"
    match = re.search(
        r"^RmProfilingAdminOnly: (\d+)", _text(driver_params), re.MULTILINE
    )
    if match is None:
        return Check(
            name=name,
            state=State.WARNING,
            found=f"{driver_params} says nothing of RmProfilingAdminOnly",
            fix="Run ncu on any program: ERR_NVGPUCTRPERM means no.",
        )
    if match[1] == "0":
        return Check(name=name, state=State.OK, found="open to every user")
    found = "open to administrators only"
    capabilities = re.search(
        r"^CapEff:\s*([0-9a-f]+)", _text(process_status), re.MULTILINE
    )
    if capabilities and int(capabilities[1], 16) & CAP_SYS_ADMIN:
        return Check(name=name, state=State.OK, found=f"{found}; this process is one")
    return Check(
        name=name,
        state=State.WARNING,
        found=found,
        fix="Run as root (in a container with --cap-add=SYS_ADMIN), or load the "
        "driver with NVreg_RestrictProfilingToAdminUsers=0.",
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
