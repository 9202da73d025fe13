"""How far a program's launches may run ahead of the GPU."""

from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

# A decoder that looks for the end token waits at every step; eight steps ahead keep
# the GPU busy all the same, where a loop without any wait queues a thousand graphs.
STEPS_AHEAD = 8


class Mark(Protocol):
    """A point in a stream's work that can be waited for."""

    def synchronize(self) -> None:
        """Wait until the GPU has come to it."""


class RunAhead:
    """Holds the host back until all but the last few steps are done."""

    def __init__(self, device: str, mark: "Callable[[], Mark] | None" = None) -> None:
        self._mark = mark or (None if device == "cpu" else _recorded_event)
        self._waiting: deque[Mark] = deque()

    def launched(self) -> None:
        """Say that one more step has been launched; wait if that is one too many."""
        if self._mark is None:
            return
        self._waiting.append(self._mark())
        if len(self._waiting) > STEPS_AHEAD:
            self._waiting.popleft().synchronize()


def _recorded_event() -> Mark:
    import torch

    event = torch.cuda.Event()
    event.record()
    return event
