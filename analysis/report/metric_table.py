"""The table that says what each counter of a page is, and which ncu metric gives it."""

from dsprof.analysis.counter_columns import HISTOGRAMS, TENSOR
from dsprof.analysis.numerals import MISSING
from dsprof.analysis.report.markdown import Cell, Code, Table
from dsprof.harness.counters import counter_metrics
from dsprof.harness.profile import Profile


def metric_table(profile: Profile) -> Table:
    """The ncu metric of each counter of the histograms, on the profile's GPUs."""
    majors = sorted({one.compute_capability[0] for one in profile.counters})
    metrics = counter_metrics()
    rows: list[list[Cell]] = []
    for counter in [*(one for group in HISTOGRAMS for one in group.counters), TENSOR]:
        names = dict.fromkeys(
            name for major in majors for name in metrics[counter.field].names(major)
        )
        meaning = counter.meaning
        metric = Code(", ".join(names) or MISSING)
        rows.append([counter.title, counter.unit, metric, meaning])
    return Table(headings=("Counter", "Unit", "ncu metric", "Meaning"), rows=rows)
