"""dsprof list: kernels, their ops, and what runs here."""

import json
from dataclasses import asdict, dataclass

import click

from dsprof.harness.availability import find_gpu, likely_provider, why_not
from dsprof.harness.commands.options import members_of
from dsprof.kernels import deepseek
from dsprof.kernels.registry import NO_FILE_REASON, load_kernels
from dsprof.kernels.spec import Category


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of the list; ``why_not`` is None where the kernel runs here.

    ``provider`` is the package that a run would call, if one is installed.
    """

    kernel: str
    source: str
    category: str
    ops: tuple[str, ...]
    summary: str
    why_not: str | None
    provider: str | None = None


@click.command(name="list")
@click.option(
    "--category", type=members_of(Category), metavar="NAME,...", help="Only these."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def command(category: tuple[Category, ...] | None, as_json: bool) -> None:  # noqa: FBT001 -- click passes flags so
    """List kernels, their ops, and what runs on this machine.

    \b
    dsprof list
    dsprof list --category norm,gemm --json
    """
    rows = [row for row in _rows() if category is None or row.category in category]
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=1))
        return
    _print(rows)


def _rows() -> list[Listed]:
    gpu = find_gpu()
    rows = {
        kernel.name: Listed(
            kernel=kernel.name,
            source=kernel.source,
            category=kernel.category,
            ops=tuple(op.name for op in kernel.ops),
            summary=kernel.summary,
            why_not=why_not(kernel, gpu),
            provider=likely_provider(kernel),
        )
        for kernel in load_kernels()
    }
    listed = {
        name: Listed(
            kernel=name,
            source=source,
            category=category,
            ops=(),
            summary="",
            why_not=NO_FILE_REASON,
        )
        for name, source, category in deepseek.KERNELS
    }
    return list((listed | rows).values())


def _print(rows: list[Listed]) -> None:
    """Print columns as wide as their longest cell; click only, so that it is quick."""
    name_width = max(len(row.kernel) for row in rows) if rows else 0
    category_width = max(len(row.category) for row in rows) if rows else 0
    for row in rows:
        click.echo(
            f"{row.kernel:<{name_width}}  {row.source:<10}  "
            f"{row.category:<{category_width}}  "
            f"{f'runs here: {row.provider}' if row.why_not is None else row.why_not}"
        )
        if row.ops:
            click.secho(f"{'':<{name_width}}  ops: {', '.join(row.ops)}", dim=True)
    running = sum(row.why_not is None for row in rows)
    click.echo(f"\n{running} of {len(rows)} kernels run here.")
    if not running:
        click.echo("What is missing, and its fix: dsprof doctor")
