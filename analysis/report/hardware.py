"""The rated limits of a device as a table, each with its source."""

from dsprof.analysis.numerals import MISSING, rated
from dsprof.analysis.report.markdown import Table
from dsprof.analysis.roofline import ridge_points
from dsprof.harness.device import Datapath, DeviceSpec

TERA, GIGA, MEGA = 1e12, 1e9, 1e6


def datapath_name(path: Datapath) -> str:
    """For example ``FP8 tensor``."""
    return path.value.replace("_", " ").upper().replace("TENSOR", "tensor")


def hardware_table(device: DeviceSpec) -> Table:
    """Dense compute peaks, bandwidth, sizes and the ridge points that follow."""
    major, minor = device.compute_capability
    rows = [
        (
            f"Peak {datapath_name(path)} compute",
            f"{rated(peak / TERA)} TFLOP/s",
            _source(device, f"flops_per_s.{path}", "flops_per_s"),
        )
        for path, peak in device.flops_per_s.items()
    ]
    rows += [
        (
            "Peak HBM bandwidth",
            f"{rated(device.hbm_bytes_per_s / GIGA)} GB/s",
            _source(device, "hbm_bytes_per_s"),
        ),
        (
            "L2 cache",
            f"{rated(device.l2_bytes / MEGA)} MB",
            _source(device, "l2_bytes"),
        ),
        ("Multiprocessors", str(device.sms), _source(device, "sms")),
        (
            "Compute capability",
            f"{major}.{minor}",
            _source(device, "compute_capability"),
        ),
    ]
    rows += [
        (
            f"Ridge point ({datapath_name(path)})",
            f"{rated(ridge)} FLOP/byte",
            "peak compute over peak bandwidth",
        )
        for path, ridge in ridge_points(device).items()
    ]
    return Table(headings=("Metric", ">Value", "Source"), rows=rows)


def _source(device: DeviceSpec, *keys: str) -> str:
    return next((device.sources[key] for key in keys if key in device.sources), MISSING)
