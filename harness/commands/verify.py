"""dsprof verify: whether every kernel file says what is true."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from dsprof.harness.checks.result import CheckResult, Outcome
from dsprof.harness.commands.options import names
from dsprof.harness.errors import ExitCode
from dsprof.harness.ops_file import read_ops_file
from dsprof.harness.verify import NO_TORCH, Request, has_torch, verify
from dsprof.kernels.registry import kernel_files, load_kernels

COLOURS = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.SKIPPED: "yellow"}


@click.command(name="verify")
@click.option("--kernels", type=names, metavar="NAME,...", help="Only these kernels.")
@click.option(
    "--ops",
    "ops_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A kernel table in Markdown that files and shapes must match.",
)
@click.option(
    "--profile",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A recorded run whose CSVs must be complete.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@click.pass_context
def command(
    context: click.Context,
    kernels: tuple[str, ...] | None,
    ops_file: Path | None,
    profile: Path | None,
    as_json: bool,  # noqa: FBT001 -- click passes flags so
) -> None:
    r"""Check every kernel file: declaration, call, shapes, cost, reference, sweep.

    Calls are bound to the signatures of the installed packages, or to recorded ones.
    On a machine with a GPU each kernel also runs. Exits with 1 if a check fails, with
    3 if there is no torch to make the checks with.

    \b
    dsprof verify
    dsprof verify --kernels rmsnorm,bmm_fp8
    dsprof verify --ops ops.md --profile profiles/h200-sxm/2026-11-20-first
    """
    if kernels is not None:
        load_kernels(kernels)  # names the known ones if one is not
    request = Request(
        kernels=kernels or tuple(kernel_files()),
        ops_file=read_ops_file(ops_file) if ops_file else None,
        profile=profile,
    )
    with_torch = has_torch()
    results = list(verify(request, with_torch=with_torch))
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results], indent=1))
    else:
        _print(results)
    if any(result.outcome is Outcome.FAILED for result in results):
        context.exit(ExitCode.FINDING)
    if not with_torch:
        made = dict.fromkeys(
            result.check for result in results if result.outcome is Outcome.PASSED
        )
        click.echo(f"{NO_TORCH}. Made without it: {', '.join(made)}.", err=True)
        context.exit(ExitCode.ENVIRONMENT)


def _print(results: list[CheckResult]) -> None:
    """One line a check of which there is something to say, and a count of all."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("Kernel", "Check", "Result")
    table.add_column("Detail", overflow="fold")
    kernel = ""
    for result in results:
        if kernel not in {"", result.kernel}:
            table.add_section()
        table.add_row(
            "" if result.kernel == kernel else escape(result.kernel),
            result.check,
            f"[{COLOURS[result.outcome]}]{result.outcome}[/]",
            escape(result.detail),
        )
        kernel = result.kernel
    Console().print(table)
    counts = Counter(result.outcome for result in results)
    counted = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome)
    kernels = len({result.kernel for result in results})
    click.echo(f"{len(results)} checks of {kernels} kernels: {counted}.")
