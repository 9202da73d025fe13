"""Reads a kernel table in Markdown: what ``dsprof ops`` writes, or a hand-written one.

Backticks, spacing and columns that are not known do not matter. A file needs the
kernel summary (| Kernel | Source | Ops Using It |) or tables of arguments.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dsprof.harness.dimension import Dimension, parse_dimension
from dsprof.harness.errors import UsageError
from dsprof.harness.ops_table import Argument, OpTable, SummaryRow

_HEADING = re.compile(r"#+\s*`?(\w+)`?\s*:\s*(.+?)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpsFile:
    """The kernels that a file lists, and the arguments of those it describes."""

    summary: tuple[SummaryRow, ...]
    tables: Mapping[tuple[str, str], OpTable]


def read_ops_file(path: Path) -> OpsFile:
    """Parse a file; UsageError names it, and the line that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error
    found = parse_ops(text, str(path))
    if not found.summary and not found.tables:
        raise UsageError(
            f"{path} has no kernel table. It needs the columns | Kernel | Source | "
            "Ops Using It |, as dsprof ops writes them."
        )
    return found


def parse_ops(text: str, name: str = "the text") -> OpsFile:
    """Parse the Markdown of a kernel table."""
    summary: list[SummaryRow] = []
    tables: dict[tuple[str, str], OpTable] = {}
    for heading, line, rows in _tables(text):
        columns = set(rows[0]) if rows else set()
        try:
            if {"argument", "shape"} <= columns:
                kernel, op = heading
                tables[heading] = OpTable(
                    kernel=kernel, op=op, arguments=tuple(map(_argument, rows))
                )
            elif {"kernel", "source"} <= columns:
                summary += [row for cells in rows if (row := _summary_row(cells))]
        except ValueError as error:
            raise UsageError(
                f"{name}, table of line {line}: {error}. Write sizes as in (T, 7168)."
            ) from error
    return OpsFile(summary=tuple(summary), tables=tables)


def _tables(text: str) -> Iterator[tuple[tuple[str, str], int, list[dict[str, str]]]]:
    """Each table with the kernel and op of its heading, its line and its rows."""
    heading = ("", "")
    header: list[str] = []
    rows: list[dict[str, str]] = []
    start = 0
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        cells = _cells(line)
        if not cells:
            if rows:
                yield heading, start, rows
            header, rows = [], []
            if line.startswith("#"):
                found = _HEADING.fullmatch(line)
                heading = (found[1], found[2]) if found else ("", "")
        elif not header:
            header, start = [cell.lower() for cell in cells], number
        elif not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            padded = [*cells, *[""] * (len(header) - len(cells))]
            rows.append(dict(zip(header, padded, strict=False)))


def _cells(line: str) -> list[str]:
    """The cells of a table's line, without backticks; none for any other line."""
    if "|" not in line:
        return []
    inner = line.strip().removeprefix("|").removesuffix("|")
    cells = re.split(r"(?<!\\)\|", inner)
    return [cell.replace("`", "").replace("\\|", "|").strip() for cell in cells]


def _summary_row(cells: Mapping[str, str]) -> SummaryRow | None:
    """A row whose kernel cell names one, in whatever decoration."""
    name = re.search(r"[A-Za-z_]\w*", cells["kernel"])
    if name is None:
        return None
    ops = cells.get("ops using it", "")
    return SummaryRow(
        kernel=name[0],
        source=cells["source"],
        ops=tuple(part for part in map(str.strip, _split(ops)) if part),
    )


def _argument(cells: Mapping[str, str]) -> Argument:
    strides = cells.get("strides", "")
    return Argument(
        name=cells["argument"],
        role=cells.get("role", ""),
        shape=_sizes(cells["shape"]),
        dtype=cells.get("dtype", ""),
        strides=_sizes(strides) if strides else None,
    )


def _sizes(text: str) -> tuple[Dimension, ...]:
    inner = text.strip().removeprefix("(").removesuffix(")")
    return tuple(parse_dimension(part) for part in _split(inner) if part.strip())


def _split(text: str) -> list[str]:
    """Split at commas that no parenthesis holds."""
    return re.split(r",(?![^(]*\))", text)
