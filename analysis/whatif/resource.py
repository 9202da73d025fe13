"""The resources of a machine that a study may change, one at a time or together."""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from dsprof.analysis.numerals import rated, scaled_bytes, significant
from dsprof.analysis.whatif.project import Machines
from dsprof.analysis.whatif.target import Target
from dsprof.harness.device import Datapath

if TYPE_CHECKING:
    from dsprof.analysis.whatif.project import Values


class Resource(StrEnum):
    """What a machine has more or less of; the value is its key in a sweep."""

    BANDWIDTH = "bandwidth"
    FP8 = "fp8"
    BF16 = "bf16"
    FP4 = "fp4"
    VECTOR = "vector"
    ON_CHIP_CAPACITY = "sram"
    ON_CHIP_BANDWIDTH = "sram_bandwidth"
    LAUNCH = "launch"

    @property
    def label(self) -> str:
        return LABELS[self]

    @property
    def datapath(self) -> Datapath | None:
        """The datapath whose rate this is; None for what is no arithmetic."""
        return DATAPATHS.get(self)


LABELS: Mapping[Resource, str] = MappingProxyType(
    {
        Resource.BANDWIDTH: "HBM bandwidth",
        Resource.FP8: "FP8 tensor rate",
        Resource.BF16: "BF16 tensor rate",
        Resource.FP4: "FP4 tensor rate",
        Resource.VECTOR: "vector rate",
        Resource.ON_CHIP_CAPACITY: "on-chip capacity",
        Resource.ON_CHIP_BANDWIDTH: "on-chip bandwidth",
        Resource.LAUNCH: "launch latency",
    }
)
DATAPATHS: Mapping[Resource, Datapath] = MappingProxyType(
    {
        Resource.FP8: Datapath.FP8_TENSOR,
        Resource.BF16: Datapath.BF16_TENSOR,
        Resource.FP4: Datapath.FP4_TENSOR,
        Resource.VECTOR: Datapath.FP32,
    }
)
# All but capacity: time falls by the same factor if each gets better by that factor.
RATES = tuple(one for one in Resource if one is not Resource.ON_CHIP_CAPACITY)


def value_of(target: Target, resource: Resource) -> float | None:
    """What a machine has, in base units; None for a datapath that it lacks."""
    if resource.datapath is not None:
        return target.flops_per_s.get(resource.datapath)
    return {
        Resource.BANDWIDTH: target.hbm_bytes_per_s,
        Resource.ON_CHIP_CAPACITY: target.on_chip_bytes,
        Resource.ON_CHIP_BANDWIDTH: target.on_chip_bytes_per_s,
        Resource.LAUNCH: target.launch_latency_s,
    }[resource]


def machines_with(target: Target, values: "Mapping[Resource, Values]") -> Machines:
    """The machine with other amounts of some resources, or arrays of them."""
    own = Machines.of(target)
    flops = {
        resource.datapath: value
        for resource, value in values.items()
        if resource.datapath is not None
    }
    return replace(
        own,
        flops_per_s=own.flops_per_s | flops,
        hbm_bytes_per_s=values.get(Resource.BANDWIDTH, own.hbm_bytes_per_s),
        on_chip_bytes=values.get(Resource.ON_CHIP_CAPACITY, own.on_chip_bytes),
        on_chip_bytes_per_s=values.get(
            Resource.ON_CHIP_BANDWIDTH, own.on_chip_bytes_per_s
        ),
        launch_latency_s=values.get(Resource.LAUNCH, own.launch_latency_s),
    )


def target_with(target: Target, resource: Resource, value: float) -> Target:
    """The same machine with another amount of one resource."""
    path = resource.datapath
    if path is not None:
        return replace(target, flops_per_s={**target.flops_per_s, path: value})
    if resource is Resource.BANDWIDTH:
        return replace(target, hbm_bytes_per_s=value)
    if resource is Resource.ON_CHIP_CAPACITY:
        return replace(target, on_chip_bytes=value)
    if resource is Resource.ON_CHIP_BANDWIDTH:
        return replace(target, on_chip_bytes_per_s=value)
    return replace(target, launch_latency_s=value)


def scaled(target: Target, resource: Resource, factors: "Values") -> Machines:
    """The machine with so many times of one resource; as it is if it lacks that."""
    value = value_of(target, resource)
    return machines_with(target, {} if value is None else {resource: value * factors})


def amount(resource: Resource, value: float) -> str:
    """An amount with its unit, for example ``4.8 TB/s``."""
    if resource.datapath is not None:
        return f"{rated(value / 1e12)} TFLOP/s"
    if resource is Resource.LAUNCH:
        return f"{significant(value * 1e6)} us"
    if resource is Resource.ON_CHIP_CAPACITY:
        return scaled_bytes(value)
    return f"{scaled_bytes(value)}/s"


def scale_of(resource: Resource) -> tuple[float, str]:
    """What a number on an axis is divided by, and the unit that it then has."""
    if resource.datapath is not None:
        return 1e12, "TFLOP/s"
    if resource is Resource.LAUNCH:
        return 1e-6, "us"
    if resource is Resource.ON_CHIP_CAPACITY:
        return 1e6, "MB"
    return 1e12, "TB/s"
