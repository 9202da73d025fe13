"""Writes Markdown that names from data cannot break: text, code and tables."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

_SPECIAL = re.compile(r"([\\`*\[\]<>|&~$#])")
_EDGE_UNDERSCORE = re.compile(r"(?<!\w)_|_(?!\w)")


@dataclass(frozen=True, slots=True)
class Code:
    """Text to be shown as it is, in a code span."""

    text: str


Cell: TypeAlias = str | Code


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under headings; a heading that begins with ``>`` is right-aligned."""

    headings: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]


def without_empty_columns(data: Table, *, empty: str) -> Table:
    """The table without columns whose cells all say ``empty`` or nothing."""
    kept = [
        column
        for column in range(len(data.headings))
        if not data.rows or any(row[column] not in {empty, ""} for row in data.rows)
    ]
    return Table(
        headings=tuple(data.headings[column] for column in kept),
        rows=[[row[column] for column in kept] for row in data.rows],
    )


def text(value: object) -> str:
    """Escape a string so that Markdown shows it as it is, on one line."""
    line = " ".join(str(value).split())
    return _EDGE_UNDERSCORE.sub(r"\_", _SPECIAL.sub(r"\\\1", line))


def code(value: object) -> str:
    """A code span around any string, backticks included, on one line."""
    line = " ".join(str(value).split())
    if not line:
        return ""
    fence = _fence(line, least=1)
    space = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{space}{line}{space}{fence}"


def block(value: str) -> str:
    """A fenced code block around any string."""
    fence = _fence(value, least=3)
    return f"{fence}\n{value}\n{fence}"


def names(values: Sequence[object]) -> str:
    """Code spans with commas between."""
    return ", ".join(code(value) for value in values)


def table(data: Table) -> str:
    """A pipe table; every cell is escaped here and nowhere else."""
    headings = [heading.removeprefix(">") for heading in data.headings]
    rules = ["---:" if name.startswith(">") else "---" for name in data.headings]
    lines = [headings, rules, *([_cell(cell) for cell in row] for row in data.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell) -> str:
    if isinstance(cell, Code):
        # In a table a pipe needs its backslash inside a code span too.
        return code(cell.text).replace("|", r"\|")
    return text(cell)


def _fence(inside: str, *, least: int) -> str:
    longest = max(map(len, re.findall("`+", inside)), default=0)
    return "`" * max(least, longest + 1)
