"""dsprof new: a kernel file and its test, to be filled in."""

import click

from dsprof.harness.commands.options import members_of
from dsprof.harness.errors import UsageError
from dsprof.harness.scaffold import write_kernel
from dsprof.harness.versions import SOURCE_ROOT
from dsprof.kernels.spec import Category


@click.command(name="new")
@click.argument("kernel")
@click.option(
    "--category",
    type=members_of(Category),
    required=True,
    metavar="NAME",
    help=f"One of: {', '.join(Category)}.",
)
def command(kernel: str, category: tuple[Category, ...]) -> None:
    r"""Write a kernel file and its test, which fails until both are filled in.

    \b
    dsprof new gelu_and_mul --category activation
    """
    if len(category) != 1:
        raise UsageError(f"Name one category of {', '.join(Category)}.")
    for path in write_kernel(SOURCE_ROOT, kernel, category[0]):
        click.echo(f"Wrote {path}.")
    click.echo(f"Fill them in, then: pytest -k {kernel} && dsprof verify")
