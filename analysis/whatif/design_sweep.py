"""Reads the ranges of a design space: ``bandwidth=1TB:16TB,fp8=250T:4000T:20``."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.analysis.whatif.quantity import QuantityError, Unit, read_quantity
from dsprof.analysis.whatif.resource import Resource
from dsprof.harness.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXAMPLES: Mapping[Resource, str] = {
    Resource.BANDWIDTH: "bandwidth=1TB:16TB",
    Resource.FP8: "fp8=250T:4000T",
    Resource.BF16: "bf16=125T:2000T",
    Resource.FP4: "fp4=500T:8000T",
    Resource.VECTOR: "vector=20T:200T",
    Resource.ON_CHIP_CAPACITY: "sram=32MB:512MB",
    Resource.ON_CHIP_BANDWIDTH: "sram_bandwidth=5TB:40TB",
    Resource.LAUNCH: "launch=0.5us:5us",
}
# Outside these a value is a slip of unit, such as 4.8 for TB/s.
LIMITS: Mapping[Unit, tuple[float, float]] = {
    Unit.BYTES_PER_S: (1e9, 1e18),
    Unit.FLOP_PER_S: (1e9, 1e21),
    Unit.BYTES: (2.0**10, 2.0**50),
    Unit.SECONDS: (1e-12, 1.0),
}
MOST_POINTS = 10_000_000  # 80 MB for each number that is kept a point
RANGE_ENDS = 2  # a third part is the number of steps
LEAST_STEPS = 2  # both ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One resource from ``low`` to ``high``, in base units; equal for a fixed one."""

    resource: Resource
    low: float
    high: float
    steps: int | None = None  # None: as many as the points asked for allow

    def values(self, steps: int) -> "NDArray[np.float64]":
        """Log-spaced, both ends included; their own number of steps goes first."""
        import numpy as np

        if self.low == self.high:
            return np.array([self.low])
        return np.geomspace(self.low, self.high, self.steps or steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignSweep:
    """The axes of a design space, one a resource, in the order they were named."""

    axes: tuple[Axis, ...]

    def values(self, points: int) -> "dict[Resource, NDArray[np.float64]]":
        """The values along each axis, for at most so many points in all.

        Axes without steps of their own share the points evenly, two at least.
        """
        if not 1 <= points <= MOST_POINTS:
            raise UsageError(
                f"{points:,} points cannot be evaluated. Give 1 to {MOST_POINTS:,}."
            )
        free = [axis for axis in self.axes if axis.steps is None and _is_range(axis)]
        fixed = math.prod(axis.steps or 1 for axis in self.axes)
        steps = _root(max(points // fixed, 1), len(free)) if free else 1
        total = fixed * max(steps, LEAST_STEPS) ** len(free)
        if total > MOST_POINTS:
            raise UsageError(
                f"The sweep has {total:,} points. Give fewer axes or steps: at most "
                f"{MOST_POINTS:,} points."
            )
        return {
            axis.resource: axis.values(max(steps, LEAST_STEPS)) for axis in self.axes
        }


def parse_sweep(text: str) -> DesignSweep:
    """Axes of ``key=low:high`` or ``key=low:high:steps``; ``key=value`` fixes one."""
    axes: list[Axis] = []
    for part in text.split(","):
        axis = _axis(part.strip())
        if any(axis.resource is known.resource for known in axes):
            raise UsageError(
                f"The sweep names {axis.resource} twice. Give each key once."
            )
        axes.append(axis)
    return DesignSweep(axes=tuple(axes))


def _axis(part: str) -> Axis:
    key, equals, values = part.partition("=")
    resource = _resource(key.strip(), part)
    parts = [value.strip() for value in values.split(":")]
    if not equals or len(parts) > RANGE_ENDS + 1 or not all(parts):
        raise _error(part, "is no range", resource)
    low = _value(resource, parts[0], part)
    if len(parts) == 1:
        return Axis(resource=resource, low=low, high=low)
    high = _value(resource, parts[1], part)
    if not low < high:
        raise _error(part, f"goes from {parts[0]} to {parts[1]}, not upwards", resource)
    steps = _steps(parts[2], part, resource) if len(parts) > RANGE_ENDS else None
    return Axis(resource=resource, low=low, high=high, steps=steps)


def _resource(key: str, part: str) -> Resource:
    try:
        return Resource(key)
    except ValueError:
        raise UsageError(
            f"The sweep's {part!r} has no known key. Give one of "
            f"{', '.join(Resource)}, for example {EXAMPLES[Resource.BANDWIDTH]}."
        ) from None


def _value(resource: Resource, value: str, part: str) -> float:
    unit = unit_of(resource)
    is_per_s = unit is Unit.BYTES_PER_S and value.endswith("B")
    try:
        number = read_quantity(f"{value}/s" if is_per_s else value, unit)
    except QuantityError as error:
        raise _error(part, f"has {value!r}, which is {_reason(error)}", resource) from (
            None
        )
    low, high = LIMITS[unit]
    if not low <= number <= high:
        words = f"has {value!r}, outside {low:g} to {high:g} {unit}"
        raise _error(part, words, resource)
    return number


def _reason(error: QuantityError) -> str:
    words = str(error)
    return words if words.startswith("not") else f"no value ({words})"


def unit_of(resource: Resource) -> Unit:
    if resource.datapath is not None:
        return Unit.FLOP_PER_S
    if resource is Resource.LAUNCH:
        return Unit.SECONDS
    is_size = resource is Resource.ON_CHIP_CAPACITY
    return Unit.BYTES if is_size else Unit.BYTES_PER_S


def _steps(text: str, part: str, resource: Resource) -> int:
    if (
        not re.fullmatch(r"[0-9]{1,8}", text)
        or not LEAST_STEPS <= int(text) <= MOST_POINTS
    ):
        words = f"has {text!r} steps, which is no whole number of at least 2"
        raise _error(part, words, resource)
    return int(text)


def _error(part: str, words: str, resource: Resource) -> UsageError:
    example = EXAMPLES[resource]
    return UsageError(f"The sweep's {part!r} {words}. Give {example} or {example}:20.")


def _is_range(axis: Axis) -> bool:
    return axis.low < axis.high


def _root(points: int, axes: int) -> int:
    """The largest whole number whose power ``axes`` is at most ``points``."""
    root = round(math.exp(math.log(points) / axes))
    return root if root**axes <= points else root - 1
