"""A load: the call that a roof is measured with, and whether its result is right."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsprof.harness.errors import DsprofError, EnvironmentLacksError

if TYPE_CHECKING:
    import torch


class WrongResultError(DsprofError):
    """A load's result is not what it must be, so it is not timed."""


class PatternUnsupportedError(EnvironmentLacksError):
    """The GPU has no unit for the pattern."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What loads must know of the GPU; ``device`` is torch's name for it."""

    device: str
    compute_capability: tuple[int, int]
    sms: int
    l2_bytes: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A call that moves or computes ``amount`` byte or FLOP; ``work`` describes it.

    ``output`` is what it writes, and ``count_wrong`` how many of its elements are
    not what they must be.
    """

    call: Callable[[], object]
    amount: int
    work: str
    output: "torch.Tensor"
    count_wrong: Callable[[], int]

    def check(self) -> None:
        """Call it once on a poisoned output; WrongResultError if an element is wrong.

        Integers are poisoned with 0, which no load writes where it can be told.
        """
        import torch

        self.output.fill_(torch.nan if self.output.is_floating_point() else 0)
        self.call()
        wrong, count = self.count_wrong(), self.output.numel()
        if wrong:
            raise WrongResultError(
                f"{wrong:,} of {count:,} results are wrong ({self.work}). It is not "
                "timed; look for memory errors with: nvidia-smi -q -d ECC."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A launch: elements that a program takes at once, how often, by how many warps."""

    block: int
    steps: int
    warps: int

    def __str__(self) -> str:
        times = "" if self.steps == 1 else f"{self.steps} x "
        return f"programs of {times}{self.block}, {self.warps} warps"
