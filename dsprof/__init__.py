"""Profile the GPU kernels of DeepSeek-R1/V3 inference.

The public API, loaded when it is asked for so that ``import dsprof`` stays quick:
``load_profile(path)`` and ``load_samples(path)`` read a recorded run,
``load_kernel(name)`` and ``load_kernels()`` the kernel declarations,
``device_spec(id)`` the rated limits of a GPU, and ``measurements_frame(profile)``
turns a profile into a DataFrame.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsprof.analysis.frames import measurements_frame
    from dsprof.harness.device import device_spec
    from dsprof.harness.store import load_profile, load_samples
    from dsprof.kernels.registry import load_kernel, load_kernels

__all__ = [
    "device_spec",
    "load_kernel",
    "load_kernels",
    "load_profile",
    "load_samples",
    "measurements_frame",
]

_HOMES = {
    "device_spec": "harness.device",
    "load_kernel": "kernels.registry",
    "load_kernels": "kernels.registry",
    "load_profile": "harness.store",
    "load_samples": "harness.store",
    "measurements_frame": "analysis.frames",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- whatever the name stands for
    if name not in _HOMES:
        raise AttributeError(f"module 'dsprof' has no attribute '{name}'")
    return getattr(import_module(f"dsprof.{_HOMES[name]}"), name)
