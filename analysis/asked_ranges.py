"""Ranges that a user named, and the answer where they do not occur."""

import difflib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsprof.harness.errors import ProfileError

ANY_DOMAIN = "*"
DEFAULT_DOMAIN = ""
SEEN_NAMES = 50  # that a timeline keeps
_SHOWN_NAMES = 12  # in a message


@dataclass(frozen=True, slots=True)
class AskedRange:
    """A range's message and its domain, as in nsys: ``message@domain``."""

    message: str
    domain: str = ANY_DOMAIN


def readings(text: str) -> tuple[AskedRange, ...]:
    """What a user's text may mean, the likeliest first: a message may hold an @."""
    message, separator, domain = text.rpartition("@")
    plain = AskedRange(text)
    return (plain, AskedRange(message, domain)) if separator else (plain,)


def most_frequent(counts: Counter[str]) -> tuple[str, ...]:
    """The names that a timeline keeps."""
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    return tuple(ordered[:SEEN_NAMES])


def choose_reading(
    text: str, domains: Mapping[str, Collection[str]]
) -> AskedRange | None:
    """The first reading that fits; ``domains`` has those of each message."""
    for reading in readings(text):
        seen = domains.get(reading.message, ())
        if reading.domain in seen or (seen and reading.domain == ANY_DOMAIN):
            return reading
    return None


def refuse_unseen(path: Path, absent: Sequence[str], counts: Mapping[str, int]) -> None:
    """Raise a ProfileError for ranges that do not occur, with those that do."""
    if not absent:
        return
    names = ", ".join(f"'{name}'" for name in absent)
    if not counts:
        raise ProfileError(
            f"{path} has no ranges, so none named {names}. Mark the program's phases "
            "(torch.cuda.nvtx.range_push, or record_function for torch.profiler), or "
            "leave --range out."
        )
    close = [
        match
        for name in absent
        for match in difflib.get_close_matches(name, list(counts), n=3)
    ]
    frequent = sorted(counts, key=lambda name: -counts[name])
    shown = list(dict.fromkeys([*close, *frequent]))[:_SHOWN_NAMES]
    listed = ", ".join(f"'{name}' ({counts[name]})" for name in shown)
    more = len(counts) - len(shown)
    rest = f" and {more} more" if more else ""
    raise ProfileError(
        f"{path} has no range {names}. Ranges that occur, with how often: "
        f"{listed}{rest}."
    )


def refuse_idle(path: Path, names: Sequence[str]) -> None:
    """Raise a ProfileError for ranges that occur and launched nothing."""
    listed = ", ".join(f"'{name}'" for name in names)
    raise ProfileError(
        f"{path}: no GPU work was launched in range {listed}. A launch counts where "
        "the thread that makes it is in the range: put the range on that thread, or "
        "name another one."
    )
