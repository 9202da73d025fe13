"""The report of dsprof's own capture as counters: each launch under its point."""

from pathlib import Path

from dsprof.analysis.launches import dsprof_label, to_counters
from dsprof.analysis.ncu_report import read_ncu_report
from dsprof.harness.counters import Counters
from dsprof.harness.records import Cache


def read_capture(report: Path, *, cache: Cache) -> list[Counters]:
    """Every launch of the report, in its order; ``cache`` is what ncu was told."""
    launches = read_ncu_report(report).launches
    return [
        to_counters(launch, cache=cache, index=index, label=dsprof_label(launch))
        for index, launch in enumerate(launches)
    ]
