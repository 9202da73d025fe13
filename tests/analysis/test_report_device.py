from pathlib import Path

import pytest

from dsprof.analysis.launches import Launch, Value
from dsprof.analysis.ncu_report import read_ncu_report
from dsprof.analysis.report_device import FFMA_PEAK, device_from_launches
from dsprof.harness.device import Datapath, device_spec, known_devices

DATA = Path(__file__).parents[1] / "data"


def of_gpu(
    name: str, capability: tuple[int, int], **values: Value
) -> tuple[Launch, ...]:
    attributes = {f"device__attribute_{key}": value for key, value in values.items()}
    return (
        Launch(
            kernel_name="k",
            device_name=name,
            compute_capability=capability,
            values=attributes,
        ),
    )


def a10g(**changes: Value) -> tuple[Launch, ...]:
    """An A10G's attributes, as its report has them."""
    values: dict[str, Value] = {
        "memory_clock_rate": 6_251_000,
        "fb_bus_width": 384,
        "multiprocessor_count": 80,
        "l2_cache_size": 6_291_456,
        "clock_rate": 1_710_000,
    }
    return of_gpu("NVIDIA A10G", (8, 6), **(values | changes))


def test_a_known_gpu_has_its_data_sheets_peaks() -> None:
    launches = read_ncu_report(DATA / "h200-three-kernels.ncu-rep").launches
    assert device_from_launches(launches) == device_spec("h200-sxm")


def test_another_gpu_has_the_peaks_of_its_attributes_and_says_so() -> None:
    device = device_from_launches(a10g())
    assert device is not None
    # 2 x 6.251 GHz x 384 bit / 8; the data sheet says 600 GB/s.
    assert device.hbm_bytes_per_s == 600_096_000_000
    # 2 x 128 FFMA x 80 SMs x 1.71 GHz; the data sheet says 35 TFLOPS.
    assert device.flops_per_s == {Datapath.FP32: 35_020_800_000_000}
    assert (device.id, device.sms) == ("nvidia-a10g", 80)
    assert "2 x 128 FFMA" in device.sources["flops_per_s.fp32"]
    assert "2 x 6.251e+06 kHz x 384 bit / 8" in device.sources["hbm_bytes_per_s"]


def test_ncus_own_peak_goes_before_the_guides() -> None:
    [launch] = a10g()
    values = {**launch.values, FFMA_PEAK: 5120.0}
    device = device_from_launches(
        [
            Launch(
                kernel_name="k",
                device_name="Half a GPU",
                compute_capability=(8, 6),
                values=values,
            )
        ]
    )
    assert device is not None
    assert device.flops_per_s[Datapath.FP32] == 2 * 5120 * 1.71e9
    assert FFMA_PEAK in device.sources["flops_per_s.fp32"]


def test_dense_tensor_peaks_come_from_the_fastest_path() -> None:
    [h200, *_] = read_ncu_report(DATA / "h200-three-kernels.ncu-rep").launches
    device = device_from_launches(
        [
            Launch(
                kernel_name="k",
                device_name="H200 of another name",
                compute_capability=(9, 0),
                values=h200.values,
            )
        ]
    )
    assert device is not None
    # WGMMA: 4096 FLOP an SM and cycle in BF16, twice that in FP8; 132 SMs, 1.98 GHz.
    assert device.flops_per_s[Datapath.BF16_TENSOR] == 4096 * 132 * 1.98e9
    assert device.flops_per_s[Datapath.FP8_TENSOR] == 8192 * 132 * 1.98e9
    # 2 x 3.201 GHz x 6016 bit / 8; the data sheet says 4.8 TB/s.
    assert device.hbm_bytes_per_s == 4_814_304_000_000


@pytest.mark.parametrize(
    "launches",
    [
        (),
        (Launch(kernel_name="k", compute_capability=(8, 6)),),
        a10g(memory_clock_rate=0),
        a10g(clock_rate=0),
        of_gpu("GPU of tomorrow", (99, 0), clock_rate=1),
    ],
    ids=["no launch", "no name", "no memory clock", "no clock", "unknown"],
)
def test_what_the_report_does_not_say_is_not_made_up(
    launches: tuple[Launch, ...],
) -> None:
    assert device_from_launches(launches) is None


def test_every_known_gpu_is_found_by_its_drivers_name() -> None:
    for spec in known_devices().values():
        for name in spec.match:
            assert device_from_launches(of_gpu(name, spec.compute_capability)) == spec
