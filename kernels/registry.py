"""Finds the kernel files and loads the one that is asked for."""

import importlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from dsprof.harness.errors import DsprofError, UsageError
from dsprof.kernels import deepseek as ds
from dsprof.kernels.spec import Kernel

KERNELS_DIR = Path(__file__).parent
NO_FILE_REASON = "dsprof has no file for it yet"


@cache
def kernel_files() -> dict[str, str]:
    """Kernel name -> module, from the file names alone: nothing is imported.

    A kernel is a file one folder down whose name has no leading underscore. The
    model's kernels come first, in the order of its list, then others by name.
    """
    modules: dict[str, str] = {}
    for path in sorted(KERNELS_DIR.glob("*/[!_]*.py"), key=_place_in_model):
        name, module = path.stem, f"dsprof.kernels.{path.parent.name}.{path.stem}"
        if name in modules:
            raise DsprofError(
                f"Two files declare kernel '{name}': {modules[name]} and {module}. "
                "Rename one."
            )
        modules[name] = module
    return modules


def load_kernel(name: str) -> Kernel:
    """Return the kernel that the file of this name declares."""
    try:
        module_name = kernel_files()[name]
    except KeyError:
        known = ", ".join(sorted(kernel_files()))
        raise UsageError(f"No kernel '{name}'. Known: {known}.") from None
    module = importlib.import_module(module_name)
    kernel = getattr(module, "KERNEL", None)
    if not isinstance(kernel, Kernel) or kernel.name != name:
        raise DsprofError(
            f"{module.__file__} declares no kernel '{name}'. "
            f"Give it a constant KERNEL = Kernel(name={name!r}, ...)."
        )
    return kernel


def load_kernels(names: Iterable[str] | None = None) -> list[Kernel]:
    """Load the named kernels in that order, or all in the order of their files."""
    return [load_kernel(name) for name in (kernel_files() if names is None else names)]


def _place_in_model(path: Path) -> tuple[int, str, str]:
    listed = [name for name, _, _ in ds.KERNELS]
    place = listed.index(path.stem) if path.stem in listed else len(listed)
    return place, path.stem, path.parent.name
