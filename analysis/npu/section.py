"""What a section of the NPU report says: findings, a recommendation, and its limits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from dsprof.analysis.findings import Finding

SHOWN_ROWS = 4


class Topic(StrEnum):
    """The nine questions of an accelerator architect, in the order of the report."""

    BALANCE = "Tensor and vector compute balance"
    BANDWIDTH = "Memory bandwidth"
    CACHES = "L1/L2 cache ratio and sizing"
    DECODE = "Specialised decode units"
    FUSION = "Operator fusion hardware"
    PRECISION = "Precision and data types"
    PARALLELISM = "Parallelism and occupancy"
    INTERCONNECT = "Interconnect and scaling over chips"
    POWER = "Power efficiency"


class Level(StrEnum):
    """How far a number can be trusted."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """A level and the numbers that it follows from."""

    level: Level
    reason: str

    def __str__(self) -> str:
        return f"{self.level}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """A number to build for, what it moves, and how sure it is.

    ``sensitivity`` has an effect a size or part, the largest first. ``rows`` holds
    the first few labels of the evidence; ``row_count`` says how many there are.
    """

    title: str
    number: str
    sensitivity: tuple[str, ...]
    confidence: Confidence
    rows: tuple[str, ...] = ()
    row_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A small table: a heading that begins with ``>`` is right-aligned."""

    title: str
    headings: tuple[str, ...]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One of the nine; ``outside`` names what this profile cannot support."""

    topic: Topic
    findings: Sequence[Finding] = ()
    tables: Sequence[Grid] = ()
    recommendations: Sequence[Recommendation] = ()
    formulas: Sequence[str] = ()
    outside: Sequence[str] = field(default=())


def cited(labels: Iterable[str]) -> tuple[tuple[str, ...], int]:
    """The first few labels, each once, and how many there are."""
    unique = tuple(dict.fromkeys(labels))
    return unique[:SHOWN_ROWS], len(unique)


def found(title: str, detail: str, labels: Iterable[str] = ()) -> Finding:
    """An observation with its rows."""
    rows, count = cited(labels)
    return Finding(title=title, detail=detail, rows=rows, row_count=count)


def advice(
    title: str,
    number: str,
    *,
    sensitivity: Iterable[tuple[float, str]],
    confidence: Confidence,
    labels: Iterable[str] = (),
) -> Recommendation:
    """A recommendation with its rows; effects come with what they are sorted by."""
    effects = sorted(sensitivity, key=lambda one: -one[0])
    rows, count = cited(labels)
    return Recommendation(
        title=title,
        number=number,
        sensitivity=tuple(words for _, words in effects),
        confidence=confidence,
        rows=rows,
        row_count=count,
    )
