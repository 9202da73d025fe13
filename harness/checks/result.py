"""What a check of one kernel says."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"  # it cannot be made here; the detail says why


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One check of one kernel; ``detail`` says what was seen, or what is wrong."""

    kernel: str
    check: str
    outcome: Outcome
    detail: str = ""


def passed(detail: str = "") -> tuple[Outcome, str]:
    return Outcome.PASSED, detail


def failed(detail: str) -> tuple[Outcome, str]:
    return Outcome.FAILED, detail


def skipped(detail: str) -> tuple[Outcome, str]:
    return Outcome.SKIPPED, detail


def verdict(problems: list[str], detail: str = "") -> tuple[Outcome, str]:
    """Failed with the problems, one after the other, or passed with the detail."""
    return failed("; ".join(problems)) if problems else passed(detail)
