"""The two pages of ncu's CSV as one shape: a row a launch, and a row a printed value.

The raw page has a column a metric and a row of units; the details page a row a metric,
under its name or its label, between rows of rules.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from dsprof.analysis.file_kind import MAKE_CSV
from dsprof.analysis.ncu_labels import column_metric, metric_name
from dsprof.analysis.ncu_numbers import to_base
from dsprof.analysis.ncu_tables import Table

if TYPE_CHECKING:
    import pandas as pd

LAUNCH = "launch"
CELL_COLUMNS = ("metric", "unit", "factor", "text")
_SECTION, _NAME, _UNIT, _VALUE = (
    "Section Name",
    "Metric Name",
    "Metric Unit",
    "Metric Value",
)
# Two kernels of one name, or of two processes, are told apart by these.
_KEY = ("ID", "Process ID", "Kernel Name")
_BRACKETED = re.compile(r"\[([^\]]*)\]$")


class Layout(StrEnum):
    """Which page of ncu's a table is."""

    RAW = "raw page"
    DETAILS = "details page"


class PageError(Exception):
    """A table that no launches can be read from; the argument says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A table's launches and their values.

    ``launches`` has ncu's own columns, one row a launch. ``cells`` has the columns
    of CELL_COLUMNS, with the launch's number as its index; ``factor`` makes the
    number in ``text`` one of ``unit``, which is a base unit.
    """

    layout: Layout
    launches: "pd.DataFrame"
    cells: "pd.DataFrame"
    cut_rows: int  # left out, because they end too early


def read_page(table: Table) -> Page:
    averages = {"Minimum", "Maximum", "Average"} <= set(table.header)
    if averages or "ID" not in table.header:
        raise PageError(
            "is a summary (--print-summary), whose averages are no launches. Print "
            f"each launch: {MAKE_CSV}"
        )
    if _NAME in table.header:
        return _details(table)
    return _raw(table)


def _details(table: Table) -> Page:
    import pandas as pd

    lacking = [name for name in (_UNIT, _VALUE) if name not in table.header]
    if lacking:
        raise PageError(f"has no column {lacking[0]!r}. Export it again: {MAKE_CSV}")
    width = len(table.header)
    # Rows of metrics end after their value, rows of rules after the last column.
    least = table.header.index(_VALUE) + 1
    whole = [row for row in table.rows if len(row) >= least and not any(row[width:])]
    padded = [(row + [""] * width)[:width] for row in whole]
    frame = pd.DataFrame(padded, columns=table.header, dtype=str)
    frame = frame[frame[_NAME] != ""]
    if _SECTION not in frame:
        frame = frame.assign(**{_SECTION: ""})
    key = [name for name in _KEY if name in frame]
    frame = frame.assign(**{LAUNCH: frame.groupby(key, sort=False).ngroup()})
    bases = [_base(unit) for unit in frame[_UNIT]]
    cells = pd.DataFrame(
        {
            "metric": [
                metric_name(section, label, base)
                for section, label, (_, base) in zip(
                    frame[_SECTION], frame[_NAME], bases, strict=True
                )
            ],
            "unit": [base for _, base in bases],
            "factor": [factor for factor, _ in bases],
            "text": frame[_VALUE].to_list(),
        },
        index=frame[LAUNCH].to_list(),
    )
    return Page(
        layout=Layout.DETAILS,
        launches=frame.drop_duplicates(LAUNCH).set_index(LAUNCH),
        cells=cells[cells["metric"].notna()],
        cut_rows=len(table.rows) - len(whole),
    )


def _raw(table: Table) -> Page:
    import pandas as pd

    width = len(table.header)
    whole = [row for row in table.rows if len(row) == width]
    frame = pd.DataFrame(whole, columns=range(width), dtype=str)
    is_units = frame[table.header.index("ID")] == ""
    launches = frame[~is_units].reset_index(drop=True)
    units = _raw_units(table, frame[is_units])
    # A report may name a metric twice; it is the same one.
    columns = {
        metric: column
        for column, heading in enumerate(table.header)
        if (metric := column_metric(heading)) is not None
    }
    if not columns:
        raise PageError(f"has no column of a metric. Export it again: {MAKE_CSV}")
    parts = [
        pd.DataFrame(
            {"metric": metric, "unit": base, "factor": factor, "text": launches[column]}
        )
        for metric, column in columns.items()
        for factor, base in [_base(units[column])]
    ]
    others = [column for column in range(width) if column not in columns.values()]
    identity = launches[others].rename(columns=dict(enumerate(table.header)))
    return Page(
        layout=Layout.RAW,
        launches=identity,
        cells=pd.concat(parts),
        cut_rows=len(table.rows) - len(whole),
    )


def _raw_units(table: Table, rows: "pd.DataFrame") -> list[str]:
    if len(rows):
        return [str(unit) for unit in rows.iloc[0]]
    bracketed = [_BRACKETED.search(heading) for heading in table.header]
    if not any(bracketed):
        raise PageError(
            "has lost the row of units below its header, without which us and ns look "
            f"alike. Export it again: {MAKE_CSV}"
        )
    return [match[1] if match else "" for match in bracketed]


@cache
def _base(unit: str) -> tuple[float, str]:
    return to_base(unit.strip())
