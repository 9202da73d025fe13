"""dsprof doctor: what this machine has and lacks for profiling."""

import json
from dataclasses import asdict

import click

from dsprof.harness.errors import ExitCode
from dsprof.harness.readiness import Check, State, can_time, checks

COLOURS = {State.OK: "green", State.WARNING: "yellow", State.MISSING: "red"}


@click.command(name="doctor")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:  # noqa: FBT001 -- click passes flags so
    """Show what this machine has and lacks for profiling, each with its fix.

    Exits with 0 if `dsprof time` can run here, with 3 if something it needs is
    missing.

    \b
    dsprof doctor
    dsprof doctor --json
    """
    found = checks()
    if as_json:
        click.echo(json.dumps([asdict(check) for check in found], indent=1))
    else:
        _print(found)
    context.exit(ExitCode.OK if can_time(found) else ExitCode.ENVIRONMENT)


def _print(found: list[Check]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("Check", "State")
    for title in ("Found", "Fix"):
        table.add_column(title, overflow="fold")
    for check in found:
        colour = COLOURS[check.state]
        table.add_row(
            escape(check.name),
            f"[{colour}]{check.state}[/]",
            escape(check.found),
            escape(check.fix),
        )
    Console().print(table)
    click.echo(_conclusion(found))


def _conclusion(found: list[Check]) -> str:
    lacking = [check.name for check in found if check.state is State.MISSING]
    if lacking:
        return f"dsprof time cannot run here; missing: {', '.join(lacking)}."
    return "dsprof time can run here."
