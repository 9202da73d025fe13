"""Draws many figures: in this process and, if it is allowed, in a second one."""

import gc
import multiprocessing
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dsprof.analysis.plots.style import encode, pixels, to_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[], "Figure"]
Pngs = dict[str, bytes]


@contextmanager
def drawing(draws: Mapping[str, Draw], *, apart: bool) -> Iterator[Callable[[], Pngs]]:
    """Begin to draw; what is yielded draws the rest and returns every PNG by name.

    ``apart`` lets a second process draw meanwhile. It must be able to import the
    program that runs, and to unpickle the draws: a script without a main guard, or a
    lambda, would not do.
    """
    waiting = deque(draws)
    if not apart:
        yield lambda: _in_order(draws, _draw_here(draws, waiting))
        return
    # Not forked: a fork would begin with half of what other threads were doing.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        other = _DrawApart(pool, draws, waiting)
        other.start()
        try:
            yield lambda: _in_order(draws, _draw_here(draws, waiting) | other.finish())
        finally:
            waiting.clear()


def _in_order(draws: Mapping[str, Draw], pngs: Pngs) -> Pngs:
    return {name: pngs[name] for name in draws}


def _draw_here(draws: Mapping[str, Draw], waiting: deque[str]) -> Pngs:
    """Take figures from the front; one is encoded while the next is drawn."""
    with ThreadPoolExecutor(max_workers=1) as encoder:
        encoded: dict[str, Future[bytes]] = {}
        while (name := _take(waiting.popleft)) is not None:
            encoded[name] = encoder.submit(encode, pixels(draws[name]()))
            # A figure's parts refer to each other, and together all of them would
            # need several hundred megabytes.
            gc.collect()
        return {name: png.result() for name, png in encoded.items()}


class _DrawApart(threading.Thread):
    """Hands figures from the back to a process, one by one: the faster draws more."""

    def __init__(
        self, pool: Executor, draws: Mapping[str, Draw], waiting: deque[str]
    ) -> None:
        super().__init__(daemon=True)
        self._pool = pool
        self._draws = draws
        self._waiting = waiting
        self._pngs: Pngs = {}
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            # The process takes a second to start; no figure waits for that.
            self._pool.submit(_import_libraries).result()
            while (name := _take(self._waiting.pop)) is not None:
                self._pngs[name] = self._pool.submit(_png, self._draws[name]).result()
        except Exception as error:  # noqa: BLE001 -- raised again in the thread that waits
            self._error = error

    def finish(self) -> Pngs:
        self.join()
        if self._error is not None:
            raise self._error
        return self._pngs


def _take(pop: Callable[[], str]) -> str | None:
    try:
        return pop()
    except IndexError:
        return None


def _import_libraries() -> None:
    import pandas as pd  # noqa: F401


def _png(draw: Draw) -> bytes:
    return to_png(draw())
