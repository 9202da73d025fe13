"""Notices that ncu has profiled whatever it was to profile.

ncu goes on through a program to its end, and slowly: 1.26 million kernels of CUDA
graphs that it passed by took 180 s. Nothing tells it that the kernels to come are of
launch configurations that it has.
"""

import time
from collections.abc import Callable
from pathlib import Path

STARTED = b"==PROF== Profiling "


class Idle:
    """True once a first launch was profiled and then none for ``idle_s`` seconds."""

    def __init__(
        self,
        output: Path,
        idle_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._output, self._idle_s, self._clock = output, idle_s, clock
        self._launches, self._since = 0, 0.0

    def __call__(self) -> bool:
        try:
            launches = self._output.read_bytes().count(STARTED)
        except FileNotFoundError:
            return False
        now = self._clock()
        if launches != self._launches:
            self._launches, self._since = launches, now
        return bool(launches) and now - self._since > self._idle_s
