"""A recorded run as one value: what the store writes and the analysis reads."""

from collections.abc import Mapping
from dataclasses import dataclass

from dsprof.harness.captures import Capture, ImportedFile
from dsprof.harness.ceiling import Ceiling
from dsprof.harness.counters import Counters
from dsprof.harness.device import DeviceSpec
from dsprof.harness.launch_span import LaunchSpan
from dsprof.harness.records import (
    CatalogueEntry,
    Measurement,
    ModelParameter,
    RepeatedPoint,
    RunSummary,
    Slot,
    Sweep,
)
from dsprof.harness.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A recorded run: where it was made, what was planned, and one row a point.

    ``environment`` values are None where a package or tool was not there.
    ``counters`` has one row a launch under ncu, ``launches`` one a launch of a timed
    call, and ``imported`` names the files of other people that a profile was made of
    instead of a run. ``timelines`` are recordings of whole programs.
    """

    device: DeviceSpec
    environment: Mapping[str, str | None]
    commands: tuple[str, ...]
    sweep: Sweep
    catalogue: tuple[CatalogueEntry, ...]
    slots: tuple[Slot, ...]
    repeats: tuple[RepeatedPoint, ...]
    overheads_us: Mapping[str, float]  # subtracted from samples, by cache state
    summary: RunSummary | None
    measurements: tuple[Measurement, ...]
    model: tuple[ModelParameter, ...] = ()
    ceilings: tuple[Ceiling, ...] = ()
    captures: tuple[Capture, ...] = ()
    imported: tuple[ImportedFile, ...] = ()
    counters: tuple[Counters, ...] = ()
    timelines: tuple[Timeline, ...] = ()
    launches: tuple[LaunchSpan, ...] = ()
