"""The options that pick kernels and problem sizes, shared by time and ncu."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click

from dsprof.harness.commands.options import members_of, names, sizes
from dsprof.harness.errors import UsageError
from dsprof.harness.records import Phase
from dsprof.harness.sweep import (
    BATCH_SIZES,
    KV_LENS,
    PREFILL_BATCH_SIZES,
    SEQ_LENS,
    make_sweep,
)
from dsprof.kernels.registry import load_kernels
from dsprof.kernels.spec import Category, Kernel

LIST = "A,B,..."
Function = TypeVar("Function", bound=Callable[..., Any])
Option: TypeAlias = Callable[[Any], Any]


def _list(values: Sequence[int]) -> str:
    return ",".join(str(value) for value in values)


def _known(members: type[StrEnum]) -> str:
    return f"Only these of {', '.join(members)}."


def selection_options(function: Function) -> Function:
    """Add the options, with the default sweep's sizes."""
    return _added(function, _KERNELS, _sizes(own=False), _PROVIDER)


def selection_options_with_own_sizes(function: Function) -> Function:
    """Add the options; sizes that are not given are None."""
    return _added(function, _KERNELS, _sizes(own=True), _PROVIDER)


def _added(function: Function, *groups: Sequence[Option]) -> Function:
    """Add options in the order in which the help is to list them."""
    for option in reversed([option for group in groups for option in group]):
        function = option(function)
    return function


def _sizes(*, own: bool) -> Sequence[Option]:
    def default(values: tuple[int, ...]) -> dict[str, Any]:
        if own:
            return {"default": None}
        return {"default": values, "show_default": _list(values)}

    return (
        click.option(
            "--batch-sizes",
            type=sizes,
            metavar=LIST,
            **default(BATCH_SIZES),
            help=f"Requests B; prefill takes the first {PREFILL_BATCH_SIZES}.",
        ),
        click.option(
            "--seq-lens",
            type=sizes,
            metavar=LIST,
            **default(SEQ_LENS),
            help="Prompt lengths S of prefill.",
        ),
        click.option(
            "--kv-lens",
            type=sizes,
            metavar=LIST,
            **default(KV_LENS),
            help="KV lengths of attention in decode.",
        ),
    )


_KERNELS: Sequence[Option] = (
    click.option(
        "--kernels",
        "--kernel",
        "kernels",
        type=names,
        metavar=LIST,
        help="Only these kernels.",
    ),
    click.option(
        "--category", type=members_of(Category), metavar=LIST, help="Only these."
    ),
    click.option("--ops", type=names, metavar=LIST, help="Only these ops."),
    click.option("--phase", type=members_of(Phase), metavar=LIST, help=_known(Phase)),
)
_PROVIDER: Sequence[Option] = (
    click.option(
        "--provider",
        default="",
        metavar="NAME|all",
        help="The package to call, or each in turn.  [default: the first that works]",
    ),
)
SIZE_OPTIONS = ("batch_sizes", "seq_lens", "kv_lens")


def selected_kernels(options: dict[str, Any]) -> list[Kernel]:
    """The kernels that --kernels, --category and --ops leave, in registry order."""
    kernels = load_kernels(options["kernels"])
    if options["category"] is not None:
        kernels = [
            kernel for kernel in kernels if kernel.category in options["category"]
        ]
    if not kernels:
        raise UsageError(
            "No kernel is in both --kernels and --category. See: dsprof list."
        )
    if options["ops"]:
        make_sweep(kernels, ops=options["ops"])  # names an op that none of them has
        wanted = set(options["ops"])
        kernels = [k for k in kernels if wanted & {op.name for op in k.ops}]
    return kernels


def new_folder() -> Path:
    """Where a profile goes that was given no --output."""
    now = datetime.now(UTC)
    return Path("profiles") / f"{now:%Y-%m-%d-%H%M%S}"
