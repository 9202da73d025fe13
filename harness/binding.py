"""Which package's code a kernel runs on: loads providers and probes them."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from dsprof.harness.calls import installed_mismatch, load_failure
from dsprof.harness.records import Phase, Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.harness.versions import UNKNOWN, package_version
from dsprof.kernels.spec import Kernel, Provider, Run, Tensors, Workload

PROBE_SEQ_LEN = 128
PROBE_KV_LEN = 128

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A provider with its loaded symbols, or why no provider has the kernel."""

    provider: Provider | None = None
    api: Any = None
    reason: str = ""


class Binder:
    """Binds kernels on one device, each once; ``device`` is torch's name for it."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._bindings: dict[tuple[str, str], Binding] = {}

    def bind(self, kernel: Kernel, choice: str) -> Binding:
        """The provider asked for, or the first that works; kept once chosen."""
        key = (kernel.name, choice)
        if key not in self._bindings:
            self._bindings[key] = self._choose(kernel, choice)
        return self._bindings[key]

    def _choose(self, kernel: Kernel, choice: str) -> Binding:
        """Bind the provider asked for, or the first whose tiny probe call passes."""
        wanted = [p for p in kernel.providers if choice in {"", p.name}]
        if not wanted:
            return Binding(reason=f"{kernel.name} has no provider '{choice}'.")
        loaded, failures = load_providers(kernel, wanted)
        if not loaded:
            return Binding(reason=unavailable_reason(kernel, failures))
        if len(loaded) == 1:
            return loaded[0]
        # Where no probe passes, the first provider's points say what it raises.
        return next(filter(partial(self._probe, kernel), loaded), loaded[0])

    def _probe(self, kernel: Kernel, binding: Binding) -> bool:
        """Call the kernel at its least size; some packages fail only when called."""
        work = kernel.workload(probe_point(kernel))
        args = kernel.make_inputs(work, DeviceTensors(self._device, work.point))
        try:
            prepare(binding, work, args)()
            synchronize(self._device)
        except Exception as error:  # noqa: BLE001 -- whatever it raises, it does not work here
            _log.info("%s: %s", binding.provider, first_line(error))
            return False
        return True


def probe_point(kernel: Kernel) -> Point:
    """The least point of the kernel's first op."""
    return Point(
        kernel=kernel.name,
        op=kernel.ops[0].name,
        phase=kernel.phases[0],
        batch_size=1,
        seq_len=1 if kernel.phases[0] is Phase.DECODE else PROBE_SEQ_LEN,
        kv_len=PROBE_KV_LEN if kernel.has_kv_axis else None,
    )


def prepare(binding: Binding, work: Workload, args: Tensors) -> Run:
    assert binding.provider is not None  # noqa: S101 -- callers have bound one
    return binding.provider.prepare(binding.api, work, args)


def load_providers(
    kernel: Kernel, providers: Iterable[Provider]
) -> tuple[list[Binding], list[str]]:
    """Load each provider; the second list says why the others cannot be called.

    A package whose function no longer takes what the kernel's call gives it is one
    of those others.
    """
    loaded: list[Binding] = []
    failures: list[str] = []
    work = kernel.small_workload(probe_point(kernel))
    for provider in providers:
        try:
            api = provider.load()
        except (ImportError, AttributeError, OSError, RuntimeError) as error:
            failures.append(load_failure(kernel, provider, error))
            continue
        if mismatch := installed_mismatch(kernel, provider, work):
            failures.append(mismatch)
        else:
            loaded.append(Binding(provider=provider, api=api))
    return loaded, failures


def unavailable_reason(kernel: Kernel, failures: Sequence[str]) -> str:
    distributions = " or ".join(
        dict.fromkeys(provider.distribution for provider in kernel.providers)
    )
    return f"{'; '.join(failures)}. Install {distributions} for this torch."


def unloadable_reason(kernel: Kernel) -> str | None:
    """Why none of the kernel's providers can be called here, or None if one can."""
    loaded, failures = load_providers(kernel, kernel.providers)
    return None if loaded else unavailable_reason(kernel, failures)


def synchronize(device: str) -> None:
    """Wait for the device, if it is one that runs on its own."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def versioned(provider: Provider) -> str:
    """Name and version whose code runs."""
    return f"{provider.name} {package_version(provider.package) or UNKNOWN}"


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or ["no message"]
    return f"{type(error).__name__}: {lines[0]}"
