"""How counters came into a profile: captures of dsprof's own, and imported files."""

from dataclasses import dataclass

from dsprof.harness.records import Cache, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A point that a capture was asked for and has no counters of, and why."""

    label: str
    status: Status
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """One `dsprof ncu` in one cache state; ``command`` is its first ncu command."""

    cache: Cache
    command: str
    ncu_version: str
    started: str  # ISO 8601, UTC
    wall_s: float
    points: int  # with counters
    launches: int
    max_passes: int
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    """A file of somebody else's that rows of this profile were read from."""

    name: str  # without its folder
    sha256: str
    format: str  # e.g. "ncu-rep", "ncu CSV, raw page"
    launches: int
    notes: tuple[str, ...] = ()  # what could not be read, and why
