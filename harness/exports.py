"""The files that a profile's rows are handed on in.

``all_kernels.csv`` and ``kernels/<kernel>.csv`` begin with the seed format's 14
columns; ``benchmark_summary.md`` says how the run went. All are made from the
profile, so they can be made again.
"""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from dsprof.harness import timing_csv
from dsprof.harness.profile import Profile
from dsprof.harness.records import (
    Cache,
    Measurement,
    Status,
)
from dsprof.harness.store import replace_file

# What a reader of the seed format needs to tell the rows apart.
EXTRA_COLUMNS = (
    *timing_csv.COLD_COLUMNS, "status", "reason", "kv_len", "provider",
    "warm_state", "cold_state", "command",
)  # fmt: skip


def write_exports(path: Path, profile: Profile) -> None:
    """Write the exports of a profile into its folder."""
    replace_file(path / "all_kernels.csv", rows_csv(profile.measurements))
    by_kernel: dict[str, list[Measurement]] = defaultdict(list)
    for row in profile.measurements:
        by_kernel[row.point.kernel].append(row)
    (path / "kernels").mkdir(exist_ok=True)
    for kernel, rows in by_kernel.items():
        replace_file(path / "kernels" / f"{kernel}.csv", rows_csv(rows))
    replace_file(path / "benchmark_summary.md", benchmark_summary(profile))


def rows_csv(measurements: Sequence[Measurement]) -> str:
    """Rows in the seed's 14 columns and a few of ours."""
    buffer = io.StringIO(newline="")
    columns = (*timing_csv.SEED_COLUMNS, *EXTRA_COLUMNS)
    writer = csv.DictWriter(buffer, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(timing_csv.to_row(row) for row in measurements)
    return buffer.getvalue()


def benchmark_summary(profile: Profile) -> str:
    """Say in Markdown how the run went: counts by status, and a line a kernel."""
    statuses = Counter(row.status for row in profile.measurements)
    lines = [
        f"# Benchmark summary: {profile.device.name}",
        "",
        *(f"- {line}" for line in _run_lines(profile)),
        "",
        "| status | points |",
        "|:--|--:|",
        *(
            f"| {status} | {statuses[status]} |"
            for status in Status
            if statuses[status]
        ),
        f"| **all** | {len(profile.measurements)} |",
        "",
        "| kernel | op | points | ok | warm us, least to most | cold us | provider |",
        "|:--|:--|--:|--:|--:|--:|:--|",
    ]
    groups: dict[tuple[str, str], list[Measurement]] = defaultdict(list)
    for row in profile.measurements:
        groups[row.point.kernel, row.point.op].append(row)
    lines += [_op_line(kernel, op, rows) for (kernel, op), rows in groups.items()]
    findings = [row for row in profile.measurements if row.status.is_finding]
    if findings:
        lines += ["", "## Findings", ""]
        lines += [
            f"- {row.point.label}: {row.status}: {row.reason}" for row in findings
        ]
    return "\n".join(lines) + "\n"


def _run_lines(profile: Profile) -> list[str]:
    sweep = profile.sweep
    lines = [f"command: `{command}`" for command in profile.commands]
    lines.append(
        f"{sweep.warmups} warm-ups, {sweep.replays} timed replays, median; "
        f"timer {sweep.timer}; L2 {' and '.join(sweep.caches)}"
    )
    if profile.summary is None:
        lines.append("the run was cut off; continue it with `dsprof time --resume`")
    else:
        summary = profile.summary
        busy = (
            "not read" if summary.gpu_busy_pct is None else f"{summary.gpu_busy_pct} %"
        )
        lines.append(
            f"started {summary.started}, {summary.points} points in "
            f"{summary.wall_s} s wall, worker start-up included; GPU busy {busy}"
        )
    return lines


def _op_line(kernel: str, op: str, rows: Sequence[Measurement]) -> str:
    ok = [row for row in rows if row.status is Status.OK]
    providers = ", ".join(dict.fromkeys(row.provider for row in ok)) or "-"
    return (
        f"| {kernel} | {op} | {len(rows)} | {len(ok)} | {_range(ok, Cache.WARM)} | "
        f"{_range(ok, Cache.COLD)} | {providers} |"
    )


def _range(rows: Sequence[Measurement], cache: Cache) -> str:
    timings = [timing for row in rows if (timing := row.timing(cache)) is not None]
    medians = [timing.median_us for timing in timings]
    return f"{min(medians):.2f} to {max(medians):.2f}" if medians else "-"
