"""How much GPU memory a point needs, counted without allocating any of it."""

import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from dsprof.harness.calls import prepare_on_stubs
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels.spec import Kernel, Provider, Tensors, Workload

if TYPE_CHECKING:
    import torch

# Where the arguments take less than this part of what is free, what a provider
# allocates beside them is not looked for.
SPACIOUS = 1 / 16
GB = 10**9


def free_memory() -> int:
    """Bytes that the current CUDA device can still give to this process."""
    import torch

    free_bytes, _ = torch.cuda.mem_get_info()
    # What torch keeps for later is as good as free.
    return free_bytes + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()


def memory_reason(
    kernel: Kernel, provider: Provider, work: Workload, free_bytes: int
) -> str | None:
    """Why a point does not fit into so much memory; None if it may, or nobody knows.

    Its reference and what the kernel allocates in a call come on top of what is
    counted, so a point that passes can still run out of memory.
    """
    needed_bytes = needed_memory(kernel, provider, work, enough=SPACIOUS * free_bytes)
    if needed_bytes <= free_bytes:
        return None
    return (
        f"needs at least {needed_bytes / GB:.1f} GB of memory; "
        f"the GPU has {free_bytes / GB:.1f} GB free."
    )


def needed_memory(
    kernel: Kernel, provider: Provider, work: Workload, *, enough: float = 0
) -> int:
    """Bytes of a call's arguments, and of what its provider prepares for it.

    Counted on meta tensors; what cannot be made of them counts as nothing. Arguments
    of less than ``enough`` bytes are all that is counted.
    """
    try:
        args = kernel.make_inputs(work, DeviceTensors("meta", work.point))
    except Exception:  # noqa: BLE001 -- a kernel may ask for values, which meta tensors lack
        return 0
    needed_bytes = _bytes_of(args.values())
    if needed_bytes < enough:
        return needed_bytes
    return max(needed_bytes, _prepared_bytes(kernel, provider, work, args))


def _prepared_bytes(
    kernel: Kernel, provider: Provider, work: Workload, args: Tensors
) -> int:
    """Bytes of the arguments and of what lives as long as a prepared run does."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    made: list[weakref.ref[torch.Tensor]] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(
            self,
            func: Callable[..., object],
            types: object,
            args: tuple[object, ...] = (),
            kwargs: dict[str, object] | None = None,
        ) -> object:
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                made.append(weakref.ref(result))
            return result

    try:
        with Watch():  # type: ignore[no-untyped-call]
            run = prepare_on_stubs(kernel, provider, work, args)
    except Exception:  # noqa: BLE001 -- stubs compute nothing that could be gone on with
        return 0
    alive = [tensor for ref in made if (tensor := ref()) is not None]
    needed_bytes = _bytes_of([*args.values(), *alive])
    del run  # until here it held them
    return needed_bytes


def _bytes_of(tensors: "Iterable[torch.Tensor]") -> int:
    """Bytes of the memory that the tensors lie in, each piece counted once."""
    storages = [t.untyped_storage() for t in tensors if t.device.type == "meta"]
    return sum({storage._cdata: storage.nbytes() for storage in storages}.values())  # noqa: SLF001 -- a meta tensor has no address
