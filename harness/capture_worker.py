"""The program that ncu watches: each point once, in a range that carries its label.

Started as ``ncu ... python -P -m dsprof.harness.capture_worker PLAN JOURNAL``. PLAN is
a JSON file with the points; what happens to each goes to JOURNAL, one JSON object a
line, so that whoever started ncu knows which point hung or killed the process.
Inputs, plans and a first call, which may compile, come before the range.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO

from dsprof.harness.bench import NVTX_DOMAIN
from dsprof.harness.binding import Binder, first_line, prepare, synchronize
from dsprof.harness.plain import from_plain, to_plain
from dsprof.harness.records import Cache, Point
from dsprof.harness.tensors import DeviceTensors
from dsprof.kernels.registry import load_kernel
from dsprof.kernels.spec import Kernel

# A warm call finds what its predecessors left; after two the L2 changes no more.
WARM_CALLS = 2


class Event(StrEnum):
    """What the journal says of a point."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturePlan:
    """What one process is to run; ``cache`` is what ncu was told to do with L2."""

    points: tuple[Point, ...]
    cache: Cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the journal; ``pid`` is the process that would have to be killed."""

    label: str
    event: Event
    pid: int
    reason: str = ""


def main() -> None:
    plan_path, journal_path = map(Path, sys.argv[1:])
    plan = from_plain(CapturePlan, json.loads(plan_path.read_text(encoding="utf-8")))
    with journal_path.open("a", encoding="utf-8") as journal:
        capture_points(plan, journal, device="cuda")


def capture_points(
    plan: CapturePlan,
    journal: IO[str],
    *,
    device: str,
    load: Callable[[str], Kernel] = load_kernel,
) -> None:
    """Run every point in its range; one that raises does not end the others.

    Returns early where the GPU context is lost: the journal shows which are left.
    """
    binder = Binder(device)
    for point in plan.points:
        _write(journal, Entry(label=point.label, event=Event.STARTED, pid=os.getpid()))
        reason = ""
        try:
            _capture(point, load(point.kernel), binder, plan.cache, device)
        except Exception as error:  # noqa: BLE001 -- a kernel may raise anything; it is this point's reason
            reason = first_line(error)
        event = Event.FAILED if reason else Event.DONE
        entry = Entry(label=point.label, event=event, pid=os.getpid(), reason=reason)
        _write(journal, entry)
        if not _clean_up(device):
            return


def read_journal(text: str) -> Mapping[str, Entry]:
    """The last entry of each point; a line that was cut off is left out."""
    lines = text.split("\n")[:-1]
    entries = (from_plain(Entry, json.loads(line)) for line in lines)
    return {entry.label: entry for entry in entries}


def _capture(
    point: Point, kernel: Kernel, binder: Binder, cache: Cache, device: str
) -> None:
    import nvtx

    binding = binder.bind(kernel, point.provider)
    if binding.provider is None:
        raise RuntimeError(binding.reason)
    work = kernel.workload(point)
    run = prepare(binding, work, kernel.make_inputs(work, DeviceTensors(device, point)))
    for _ in range(WARM_CALLS if cache is Cache.WARM else 1):
        run()
    synchronize(device)
    # A start/end range, because push/pop ranges miss what other threads launch.
    nvtx_range = nvtx.start_range(message=point.label, domain=NVTX_DOMAIN)
    try:
        run()
        synchronize(device)
    finally:
        nvtx.end_range(nvtx_range)


def _clean_up(device: str) -> bool:
    """Give the point's memory back; False if the GPU context is lost."""
    import torch

    try:
        synchronize(device)
        if device == "cuda":
            torch.cuda.empty_cache()
    except RuntimeError:
        return False
    return True


def _write(journal: IO[str], entry: Entry) -> None:
    journal.write(json.dumps(to_plain(entry)) + "\n")
    journal.flush()


if __name__ == "__main__":
    main()
