"""What the GPU was doing while it was timed, read through NVML."""

import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from dsprof.harness.errors import INSTALL_GPU, EnvironmentLacksError

# Bits of nvmlClocksEventReasons, as nvml.h names them.
THROTTLE_REASONS = {
    0x002: "applications_clocks_setting",
    0x004: "sw_power_cap",
    0x008: "hw_slowdown",
    0x010: "sync_boost",
    0x020: "sw_thermal_slowdown",
    0x040: "hw_thermal_slowdown",
    0x080: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
}
MILLIWATTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSample:
    """One reading: clocks in MHz, board power in watts, what holds the clock down."""

    sm_clock_mhz: int
    memory_clock_mhz: int
    power_w: float
    throttle_reasons: tuple[str, ...]


class ClockReader(Protocol):
    def read(self) -> ClockSample: ...


def throttle_reasons(bits: int) -> tuple[str, ...]:
    """Names of the set bits; idleness (bit 0) is no reason."""
    return tuple(name for bit, name in THROTTLE_REASONS.items() if bits & bit)


class NvmlClocks:
    """Reads one GPU's clocks and power; a reading takes about 3 ms of host time."""

    def __init__(self, gpu_uuid: str) -> None:
        self._nvml, self._gpu = open_nvml(gpu_uuid)

    def read(self) -> ClockSample:
        nvml, gpu = self._nvml, self._gpu
        # The field is the power of this instant; nvmlDeviceGetPowerUsage averages
        # over a second, which is longer than a whole point takes.
        power = nvml.nvmlDeviceGetFieldValues(gpu, [nvml.NVML_FI_DEV_POWER_INSTANT])[0]
        if power.nvmlReturn == nvml.NVML_SUCCESS:
            power_mw = power.value.uiVal
        else:
            power_mw = nvml.nvmlDeviceGetPowerUsage(gpu)
        bits = nvml.nvmlDeviceGetCurrentClocksEventReasons(gpu)
        return ClockSample(
            sm_clock_mhz=nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM),
            memory_clock_mhz=nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_MEM),
            power_w=round(power_mw / MILLIWATTS, 1),
            throttle_reasons=throttle_reasons(bits),
        )


class BusyMeter:
    """Mean of NVML's GPU utilisation while the block runs.

    NVML's utilisation is the share of its last sampling period in which at least
    one kernel was executing.
    """

    PERIOD_S = 0.2  # NVML's own period is between 1/6 s and 1 s

    def __init__(self, gpu_uuid: str) -> None:
        self._nvml, self._gpu = open_nvml(gpu_uuid)
        self._readings_pct: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        while not self._stop.wait(self.PERIOD_S):
            rates = self._nvml.nvmlDeviceGetUtilizationRates(self._gpu)
            self._readings_pct.append(rates.gpu)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def mean_pct(self) -> float | None:
        """None if the block was shorter than one reading."""
        if not self._readings_pct:
            return None
        return round(sum(self._readings_pct) / len(self._readings_pct), 1)


def open_nvml(gpu_uuid: str) -> tuple[Any, Any]:
    """Return the pynvml module and the handle of the GPU with this UUID."""
    try:
        import pynvml
    except ImportError:
        raise EnvironmentLacksError(
            "The package nvidia-ml-py is missing; clocks cannot be recorded. "
            f"Install it with: {INSTALL_GPU}."
        ) from None
    try:
        pynvml.nvmlInit()
        return pynvml, pynvml.nvmlDeviceGetHandleByUUID(gpu_uuid)
    except pynvml.NVMLError as error:
        raise EnvironmentLacksError(
            f"NVML cannot open GPU {gpu_uuid}: {error}. Check that nvidia-smi works."
        ) from error
