"""Finds ncu's CSV tables in what was written around them.

A file may be a terminal's whole output: ncu's own lines (``==PROF== ...``), what the
program printed, tables of several processes, and an end that was cut off.
"""

import codecs
import csv
import re
from collections.abc import Callable
from dataclasses import dataclass, field

_BOMS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_HEADER_WORDS = {"Kernel Name", "Metric Name"}
_NAMES_SHOWN = 3
# What a row of ncu begins with: the launch's number, then another cell.
_ROW_START = re.compile(r'"[\d.,]*","')


@dataclass(slots=True)
class Table:
    """One header and its rows; rows that end early are as short as they are printed."""

    header: list[str]
    rows: list[list[str]] = field(default_factory=list)


@dataclass(slots=True)
class Tables:
    """The tables of a file, and what between them was no row."""

    tables: list[Table] = field(default_factory=list)
    other_lines: int = 0
    cut_lines: list[int] = field(default_factory=list)  # where a row was cut off


def decode(content: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of a file and a note where bytes are not of its encoding.

    UTF-16 is what a redirection in Windows PowerShell writes.
    """
    encoding, start = "utf-8", 0
    for bom, name in _BOMS.items():
        if content.startswith(bom):
            encoding, start = name, len(bom)
    try:
        return content[start:].decode(encoding), ()
    except UnicodeDecodeError as error:
        line = content[start : start + error.start].count(b"\n") + 1
        text = content[start:].decode(encoding, errors="replace")
        note = (
            f"line {line} and perhaps others are not {encoding} text; what cannot be "
            "read of them is shown as \N{REPLACEMENT CHARACTER}"
        )
        return text, (note,)


def find_tables(text: str) -> Tables:
    """Every table of a text, without the lines that are none of a table's."""
    reader = _Reader()
    *lines, last = text.split("\n")
    for number, line in enumerate(lines, 1):
        reader.take(number, line.removesuffix("\r"))
    reader.take_unfinished(len(lines) + 1, last)
    return reader.end()


class _Reader:
    """Takes a file line by line; a quoted cell may have line breaks of its own."""

    def __init__(self) -> None:
        self._found = Tables()
        self._open = ""  # lines of a row whose last quote is not closed
        self._opened_at = 0
        self._is_row: Callable[[str], bool] = lambda _: False
        self._quoted = False

    def take(self, number: int, line: str) -> None:
        if self._open and _ROW_START.match(line):
            self._found.cut_lines.append(self._opened_at)
            self._open = ""
        if self._open:
            self._open += "\n" + line
        elif header := _header(line):
            self._found.tables.append(Table(header))
            self._quoted = line.lstrip().startswith('"') or '"ID","' in line
            self._is_row = _is_quoted if self._quoted else _plain_row(len(header))
            return
        elif self._is_row(line):
            self._open, self._opened_at = line, number
        else:
            self._found.other_lines += bool(line.strip())
            return
        if self._open.count('"') % 2 == 0:
            self._found.tables[-1].rows.append(_cells(self._open))
            self._open = ""

    def take_unfinished(self, number: int, line: str) -> None:
        """Take a last line that has no line end: without quotes it may be half."""
        if line and not self._quoted and self._is_row(line):
            self._found.cut_lines.append(number)
        else:
            self.take(number, line)

    def end(self) -> Tables:
        if self._open:
            self._found.cut_lines.append(self._opened_at)
        return self._found


def _header(line: str) -> list[str]:
    """The headings, where a line is a table's first; else nothing."""
    start = line.find('"ID","')  # a program's last words may stand before it
    if start > 0:
        line = line[start:]
    if "Kernel Name" not in line:
        return []
    cells = [cell.strip() for cell in _cells(line)]
    many = len(cells) >= _NAMES_SHOWN
    has_key = "ID" in cells or "Invocations" in cells
    return cells if many and has_key and _HEADER_WORDS & set(cells) else []


def _is_quoted(line: str) -> bool:
    return line.startswith('"')


def _plain_row(width: int) -> Callable[[str], bool]:
    """For a table that some other program wrote again, without ncu's quotes."""

    def is_row(line: str) -> bool:
        if line.startswith("==") or not line.strip():
            return False
        return line.count('"') % 2 == 1 or len(_cells(line)) == width

    return is_row


def _cells(record: str) -> list[str]:
    return next(csv.reader([record]), [])
