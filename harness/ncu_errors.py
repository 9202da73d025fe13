"""What an ncu log says went wrong: the point's status, and the fix in one line."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dsprof.harness.records import Status

ERRORS_TOML = Path(__file__).with_name("ncu_errors.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class NcuError:
    """One thing that ncu may complain of.

    ``whole`` is True where neither another try nor another kernel can help.
    """

    pattern: re.Pattern[str]
    status: Status
    whole: bool
    says: str
    fix: str

    @property
    def reason(self) -> str:
        return f"ncu: {self.says}. {self.fix}"


def diagnose(log: str) -> NcuError | None:
    """The first known complaint in an ncu log, or None where it has none."""
    return next((error for error in known_errors() if error.pattern.search(log)), None)


@cache
def known_errors() -> Sequence[NcuError]:
    table = tomllib.loads(ERRORS_TOML.read_text(encoding="utf-8"))
    return tuple(
        NcuError(
            pattern=re.compile(entry["pattern"]),
            status=Status(entry["status"]),
            whole=entry["whole"],
            says=entry["says"],
            fix=entry["fix"],
        )
        for entry in table["error"]
    )
