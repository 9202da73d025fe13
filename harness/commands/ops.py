"""dsprof ops: the table of kernels and of their arguments."""

from pathlib import Path

import click

from dsprof.harness.commands.options import names
from dsprof.harness.errors import EnvironmentLacksError
from dsprof.harness.ops_table import to_markdown
from dsprof.harness.store import replace_file
from dsprof.harness.verify import NO_TORCH, has_torch
from dsprof.kernels.registry import load_kernels


@click.command(name="ops")
@click.option("--kernels", type=names, metavar="NAME,...", help="Only these kernels.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.  [default: print]",
)
def command(kernels: tuple[str, ...] | None, output: Path | None) -> None:
    r"""Write every op's inputs, weights and outputs, and the kernel summary.

    `dsprof verify --ops FILE` holds the kernel files against such a table.

    \b
    dsprof ops
    dsprof ops --kernels rmsnorm,bmm_fp8 -o ops.md
    """
    if not has_torch():
        raise EnvironmentLacksError(f"{NO_TORCH}. Arguments are made with it.")
    text = to_markdown(load_kernels(kernels))
    if output is None:
        click.echo(text, nl=False)
    else:
        replace_file(output, text)
        click.echo(f"Wrote {output}.")
