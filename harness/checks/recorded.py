"""Whether a recorded profile has everything of a kernel that its plan says."""

import csv
from pathlib import Path

from dsprof.harness.checks.result import Outcome, skipped, verdict
from dsprof.harness.checks.subject import Subject
from dsprof.harness.records import Status
from dsprof.harness.store import load_profile
from dsprof.harness.sweep import plan
from dsprof.harness.timing_csv import SEED_COLUMNS

Key = tuple[str, ...]
POINT_COLUMNS = ("op", "phase", "B", "S", "kv_len")


def check_profile(subject: Subject, profile: Path) -> tuple[Outcome, str]:
    """Every planned point has one row in each CSV, and ``ok`` rows have no gap."""
    kernel = subject.kernel
    recorded = load_profile(profile)
    if kernel.name not in recorded.sweep.kernels:
        return skipped("the profile is not of it")
    planned: set[Key] = {
        (p.op, p.phase, str(p.batch_size), str(p.seq_len), str(p.kv_len or ""))
        for p in plan(recorded.sweep, [kernel])
    }
    problems: list[str] = []
    for file in ("timing.csv", "all_kernels.csv", f"kernels/{kernel.name}.csv"):
        problems += [
            f"{file}: {problem}"
            for problem in _problems(profile / file, kernel.name, planned)
        ]
    return verdict(problems, f"{len(planned)} points")


def _problems(path: Path, kernel: str, planned: set[Key]) -> list[str]:
    if not path.exists():
        return ["the file is missing"]
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("kernel") == kernel]
    problems = []
    found = {tuple(row.get(column, "") for column in POINT_COLUMNS) for row in rows}
    if absent := sorted(planned - found):
        problems.append(
            f"{len(absent)} points have no row, first {'/'.join(absent[0])}"
        )
    if strange := sorted(found - planned):
        problems.append(f"a row is of no planned point: {'/'.join(strange[0])}")
    for row in rows:
        gaps = [column for column in SEED_COLUMNS if not row.get(column)]
        if row.get("status") == Status.OK and gaps:
            problems.append(
                f"{row['op']} {row['phase']} B={row['B']} S={row['S']} has no "
                f"{', '.join(gaps)}"
            )
            break
    return problems
