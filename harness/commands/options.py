"""Options and option types that several commands share."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

import click

from dsprof.harness.records import LayerPath, Phase

Member = TypeVar("Member", bound=StrEnum)
Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_SEQ_LEN = 1024
LAYER_OPTIONS = (
    click.option(
        "--path",
        type=click.Choice([str(path) for path in LayerPath]),
        help="Which account of the layer.  [default: as-served, if any of it has a "
        "time]",
    ),
    click.option(
        "--phase",
        type=click.Choice([str(phase) for phase in Phase]),
        default=str(Phase.DECODE),
        show_default=True,
    ),
    click.option(
        "--batch-size", type=click.IntRange(min=1), default=1, show_default=True
    ),
    click.option(
        "--seq-len",
        type=click.IntRange(min=1),
        default=DEFAULT_SEQ_LEN,
        show_default=True,
        help="Prompt length; prefill only.",
    ),
    click.option(
        "--kv-len",
        type=click.IntRange(min=1),
        help="Context length; decode only.  [default: the profile's first]",
    ),
)


def layer_options(command: Command) -> Command:
    """The options that choose one size and path of a layer."""
    for option in reversed(LAYER_OPTIONS):
        command = option(command)
    return command


def names(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """Comma-separated names, each kept once, in the order given."""
    if isinstance(value, tuple):  # a default
        return value
    parts = [part.strip() for part in value.split(",")]
    if not all(parts):
        raise click.BadParameter(f"'{value}' has an empty name between its commas.")
    return tuple(dict.fromkeys(parts))


def members_of(known: type[Member]) -> Callable[[str], tuple[Member, ...]]:
    """Make an option type: comma-separated members of a closed set, any case."""
    by_name = {member.lower(): member for member in known}

    def members(value: str | tuple[Member, ...]) -> tuple[Member, ...]:
        if isinstance(value, tuple):
            return value
        for name in names(value):
            if name.lower() not in by_name:
                raise click.BadParameter(f"No '{name}'. Known: {', '.join(known)}.")
        return tuple(by_name[name.lower()] for name in names(value))

    return members


def sizes(value: str | tuple[int, ...]) -> tuple[int, ...]:
    """Comma-separated whole numbers of at least 1."""
    if isinstance(value, tuple):
        return value
    parts = [part.strip() for part in value.split(",")]
    for part in parts:
        if not (part.isascii() and part.isdigit() and int(part) >= 1):
            raise click.BadParameter(
                f"'{part}' in '{value}' is not a whole number of at least 1. "
                "Write a list such as 1,8,64."
            )
    return tuple(dict.fromkeys(int(part) for part in parts))
