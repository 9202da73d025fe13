"""Calls a function in a process of its own, which may die without taking us along."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

from dsprof.harness.errors import ProfileError

Result = TypeVar("Result")


def read_apart(read: Callable[[Path], Result], path: Path) -> Result:
    """``read(path)``, done where nothing else is loaded.

    NVIDIA's report reader and Arrow both carry protobuf: with the reader of ncu
    2025.3 a process that uses both ends in a segmentation fault, whichever came
    first. ``read`` and what it returns are pickled; a ProfileError comes through.
    """
    # Not forked: a fork would begin with everything that is loaded here.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        try:
            return pool.submit(read, path).result()
        except BrokenProcessPool as error:
            raise ProfileError(
                f"{path}: the reader crashed on it. Update it: "
                "pip install --upgrade ncu-report."
            ) from error
