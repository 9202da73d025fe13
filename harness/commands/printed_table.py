"""Prints a report's table in the terminal."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsprof.analysis.report.markdown import Table

PIPE_WIDTH = 200  # a pipe has no width, and 80 columns break names
NAMES = {"Kernel", "Op"}  # are to be copied, and so never wrapped


def print_table(title: str, data: "Table") -> None:
    """The table with its title; whatever is in it is shown as text, not as markup."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as RichTable

    from dsprof.analysis.report.markdown import Code

    table = RichTable(title=escape(title))
    for heading in data.headings:
        table.add_column(
            escape(heading.removeprefix(">")),
            justify="right" if heading.startswith(">") else "left",
            overflow="fold",
            no_wrap=heading in NAMES,
        )
    for row in data.rows:
        cells = (cell.text if isinstance(cell, Code) else cell for cell in row)
        table.add_row(*map(escape, cells))
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH)
    console.print(table)
