"""The GPU as NVML describes it, and the environment that a profile keeps."""

import getpass
import platform
from types import SimpleNamespace
from typing import Any

import pytest

from dsprof.harness.environment import Gpu, collect_environment, read_gpu
from dsprof.harness.errors import EnvironmentLacksError


class FakeNvml:
    """NVML of one H200, with the values that its driver reported."""

    class NVMLError(Exception):
        pass

    NVML_CLOCK_SM = 1
    NVML_CLOCK_MEM = 2

    def __init__(self, **changes: Any) -> None:  # noqa: ANN401 -- any answer
        self.opened: list[object] = []
        self.is_open = False
        self.changes = changes

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- any answer
        answers: dict[str, Any] = {
            "nvmlSystemGetDriverVersion": "580.159.03",
            "nvmlSystemGetCudaDriverVersion": 13000,
            "nvmlDeviceGetName": "NVIDIA H200",
            "nvmlDeviceGetCudaComputeCapability": (9, 0),
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=150_754_820_096),
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
            "nvmlDeviceGetClockInfo": [None, 345, 3201],
            "nvmlDeviceGetMaxClockInfo": [None, 1980, 3201],
            "nvmlDeviceGetCurrentClocksEventReasons": 0x1 | 0x4,
        } | self.changes
        answer = answers[name]

        def query(*arguments: Any) -> Any:  # noqa: ANN401 -- any answer
            if answer is None:
                raise self.NVMLError("Not Supported")
            return answer[arguments[1]] if isinstance(answer, list) else answer

        return query

    def nvmlInit(self) -> None:  # noqa: N802 -- NVML's name
        if self.changes.get("driver") == "absent":
            raise self.NVMLError("NVML Shared Library Not Found")
        self.is_open = True

    def nvmlShutdown(self) -> None:  # noqa: N802 -- NVML's name
        self.is_open = False

    def nvmlDeviceGetHandleByIndex(self, index: int) -> object:  # noqa: N802 -- NVML's name
        if index > 0:
            raise self.NVMLError("Invalid Argument")
        self.opened.append(index)
        return object()

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> object:  # noqa: N802 -- NVML's name
        self.opened.append(uuid)
        return object()


@pytest.fixture(autouse=True)
def _every_gpu_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_gpu_is_described_in_plain_units() -> None:
    nvml = FakeNvml()
    assert read_gpu(nvml) == Gpu(
        name="NVIDIA H200",
        compute_capability=(9, 0),
        memory_bytes=150_754_820_096,
        driver_version="580.159.03",
        cuda_driver_version="13.0",
        power_limit_w=700.0,
        sm_clock_mhz=345,
        max_sm_clock_mhz=1980,
        memory_clock_mhz=3201,
        max_memory_clock_mhz=3201,
        throttle_reasons=("sw_power_cap",),
    )
    assert not nvml.is_open


def test_a_minor_cuda_version_is_the_tens_of_nvmls_number() -> None:
    gpu = read_gpu(FakeNvml(nvmlSystemGetCudaDriverVersion=12080))
    assert gpu.cuda_driver_version == "12.8"


def test_what_the_gpu_does_not_support_is_none() -> None:
    gpu = read_gpu(
        FakeNvml(
            nvmlDeviceGetEnforcedPowerLimit=None,
            nvmlDeviceGetClockInfo=None,
            nvmlDeviceGetCurrentClocksEventReasons=None,
        )
    )
    assert gpu.power_limit_w is None
    assert (gpu.sm_clock_mhz, gpu.max_sm_clock_mhz) == (None, 1980)
    assert gpu.throttle_reasons == ()


def test_a_gpu_that_does_not_even_tell_its_name_is_none() -> None:
    nvml = FakeNvml(nvmlDeviceGetName=None)
    with pytest.raises(EnvironmentLacksError, match="Not Supported"):
        read_gpu(nvml)
    assert not nvml.is_open


def test_without_a_driver_the_error_says_how_to_get_one() -> None:
    message = r"NVML finds no GPU: NVML Shared .*\. Install the NVIDIA driver"
    with pytest.raises(EnvironmentLacksError, match=message):
        read_gpu(FakeNvml(driver="absent"))


@pytest.mark.parametrize(
    ("visible", "opened"),
    [("0,1", 0), (" 0 ", 0), ("GPU-4c5d,GPU-77", "GPU-4c5d"), ("MIG-1", "MIG-1")],
)
def test_the_first_visible_gpu_is_read(
    monkeypatch: pytest.MonkeyPatch, visible: str, opened: object
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    nvml = FakeNvml()
    read_gpu(nvml)
    assert nvml.opened == [opened]


def test_a_given_uuid_goes_before_what_is_visible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    nvml = FakeNvml()
    read_gpu(nvml, "GPU-9")
    assert nvml.opened == ["GPU-9"]


@pytest.mark.parametrize("hidden", ["", "-1", "NoDevFiles"])
def test_hidden_gpus_are_named_as_the_cause(
    monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    with pytest.raises(EnvironmentLacksError, match="hides every GPU"):
        read_gpu(FakeNvml())


def test_the_environment_names_packages_tools_and_source() -> None:
    environment = collect_environment(("torch", "no_such_package"))
    assert environment["python"] == platform.python_version()
    assert environment["torch"]
    assert environment["no_such_package"] is None
    assert len(environment["dsprof_source_sha256"] or "") == 64
    assert {"dsprof", "dsprof_revision", "gpu", "driver", "cuda_driver"} <= set(
        environment
    )
    assert {"power_limit_w", "max_sm_clock_mhz", "ncu", "nsys"} <= set(environment)


def test_the_environment_names_neither_machine_nor_user() -> None:
    text = " ".join(value or "" for value in collect_environment().values())
    assert platform.node() not in text.split()
    assert getpass.getuser() not in text.split()
    assert "/" not in text
    assert "GPU-" not in text
