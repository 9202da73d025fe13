"""Reads what ncu prints with --csv into launches, whatever its locale and units."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dsprof.analysis.file_kind import MAKE_CSV, FileKind, file_kind, json_kind
from dsprof.analysis.launches import (
    NO_DATA,
    Launch,
    ReadResult,
    Value,
    compute_capability,
    device_name,
    is_needed,
    launch_size,
)
from dsprof.analysis.ncu_numbers import Cell, MixedStylesError, Style, decide_style
from dsprof.analysis.ncu_pages import Page, PageError, read_page
from dsprof.analysis.ncu_ranges import PUSH_POP_HEADING, START_END_HEADING, ranges_of
from dsprof.analysis.ncu_tables import Tables, decode, find_tables
from dsprof.harness.errors import ProfileError

if TYPE_CHECKING:
    import pandas as pd

_MISSING = {"": NO_DATA, "no data": NO_DATA, "n/a": "n/a", "(!) n/a": "n/a"}
_LIKE_A_NUMBER = re.compile(r"[-+.,\d]*\d[-+.,\d]*")
_INSTANCES = re.compile(r"(\S+) \(.*\)", re.DOTALL)  # --print-metric-instances
_CONSOLE = re.compile(r"^==PROF==|^\s+Section: ", re.MULTILINE)
_HEAD_CHARS = 4096
_LINES_NAMED = 3


def read_ncu_csv(path: Path, *, all_metrics: bool = False) -> ReadResult:
    """Every launch of the tables in a file, in base units.

    ``all_metrics`` keeps what dsprof makes nothing of, too. A file without a table
    is a ProfileError that says what the file is and how to make one.
    """
    kind = file_kind(path)
    if kind is not FileKind.TEXT:
        raise ProfileError(f"{path} is {kind}, not a CSV file.")
    text, notes = decode(path.read_bytes())
    found = find_tables(text)
    if not found.tables:
        raise ProfileError(_why_no_table(path, text))
    try:
        pages = [read_page(table) for table in found.tables]
        style = decide_style(cell for page in pages for cell in _evidence(page))
    except PageError as error:
        raise ProfileError(f"{path} {error}.") from None
    except MixedStylesError as error:
        raise ProfileError(
            f"{path} has '{error.args[0]}' and '{error.args[1]}', so its numbers are "
            "of two locales. Print it again with LC_ALL=C before the command."
        ) from None
    launches = [
        launch for page in pages for launch in _launches(page, style, whole=all_metrics)
    ]
    if all(not launch.units for launch in launches):
        raise ProfileError(
            f"{path} has a table of ncu's without a value that dsprof knows. Export "
            f"it again: {MAKE_CSV}."
        )
    layouts = dict.fromkeys(page.layout for page in pages)
    return ReadResult(
        launches=tuple(launches),
        format=f"ncu CSV, {' and '.join(layouts)}",
        notes=(*notes, *_notes(found, pages, style)),
    )


def _evidence(page: Page) -> Iterator[Cell]:
    """The printed values that show a file's locale: those with a separator."""
    cells = page.cells
    shown = cells[cells["text"].str.contains("[.,]")].drop_duplicates(
        ["metric", "text"]
    )
    for metric, unit, factor, text in shown.itertuples(index=False):
        # 786.432 Kbyte is a fraction, unlike 786.432 byte.
        yield Cell(metric=metric, unit=unit if factor == 1 else "scaled", text=text)


def _launches(page: Page, style: Style, *, whole: bool) -> Iterator[Launch]:
    cells = page.cells
    if not whole:
        cells = cells[cells["metric"].map(is_needed)]
    by_launch = dict(iter(cells.groupby(level=0, sort=False)))
    for number, *identity in page.launches.itertuples(name=None):
        columns = dict(zip(page.launches.columns, map(str, identity), strict=True))
        own = by_launch.get(number, cells.iloc[:0])
        yield _launch(columns, own, style)


def _launch(columns: Mapping[str, str], cells: "pd.DataFrame", style: Style) -> Launch:
    values: dict[str, Value] = {}
    absent: dict[str, str] = {}
    for metric, _, factor, text in cells.itertuples(index=False):
        try:
            values[metric] = _value(text, factor, style)
        except _NoValueError as error:
            absent[metric] = str(error)
    return Launch(
        kernel_name=columns["Kernel Name"],
        grid=_sizes(columns.get("Grid Size", "")) or launch_size(values, "grid"),
        block=_sizes(columns.get("Block Size", "")) or launch_size(values, "block"),
        push_pop=_ranges(columns, PUSH_POP_HEADING),
        start_end=_ranges(columns, START_END_HEADING),
        device_name=device_name(values),
        compute_capability=_capability(columns.get("CC", ""))
        or compute_capability(values),
        values=values,
        units=dict(zip(cells["metric"], cells["unit"], strict=True)),
        absent=absent,
    )


class _NoValueError(Exception):
    """A cell without a value; the argument is the reason."""


def _value(text: str, factor: float, style: Style) -> Value:
    text = text.strip()
    if text in _MISSING:
        raise _NoValueError(_MISSING[text])
    with_instances = _INSTANCES.fullmatch(text)
    number = style.parse(with_instances[1] if with_instances else text)
    if number is None:
        if _LIKE_A_NUMBER.fullmatch(text) or text.lower() in {"nan", "inf", "-nan"}:
            raise _NoValueError(f"'{text}' is no number of this file's locale")
        return text
    return number if factor == 1 else number * factor


def _ranges(columns: Mapping[str, str], heading: str) -> tuple[str, ...]:
    return tuple(
        name
        for column, cell in columns.items()
        if heading in column
        for name in ranges_of(cell, numbered=heading == START_END_HEADING)
    )


def _sizes(cell: str) -> tuple[int, int, int] | None:
    """The sizes of "(2048, 1, 1)"."""
    numbers = [int(part) for part in re.findall(r"\d+", cell)]
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None  # noqa: PLR2004 -- x, y, z


def _capability(cell: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"(\d+)[.,](\d+)", cell.strip())
    return (int(match[1]), int(match[2])) if match else None


def _why_no_table(path: Path, text: str) -> str:
    if _CONSOLE.search(text):
        return (
            f"{path} is ncu's output for reading, not CSV. Import the report that it "
            f"came with, or make a CSV of it: {MAKE_CSV}."
        )
    if json := json_kind(text[:_HEAD_CHARS].encode()):
        return f"{path} is {json}. Import an ncu report or ncu's CSV."
    return (
        f'{path} has no table of ncu\'s: no line begins with "ID" and names a '
        f'"Kernel Name" column. Make a CSV of a report: {MAKE_CSV}.'
    )


def _notes(found: Tables, pages: Sequence[Page], style: Style) -> Iterator[str]:
    cut = sum(page.cut_rows for page in pages) + len(found.cut_lines)
    if cut:
        lines = ", ".join(map(str, found.cut_lines[:_LINES_NAMED]))
        where = f" (line {lines})" if lines else ""
        yield (
            f"{cut} rows are cut off and left out{where}; what follows the last may "
            "be lost, and its launch may lack counters"
        )
    if style.guessed:
        yield (
            f"nothing shows the locale: '{style.guessed}' is taken for a whole number "
            "with a separator of thousands"
        )
