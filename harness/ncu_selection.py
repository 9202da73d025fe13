"""Which launches of somebody's program ncu is to profile, and as which kernels.

Names are compared in full when a report is read. ncu's own filter only has to let no
more than needed through, so it is a regular expression of beginnings in which every
character but letters, digits and ``_`` is a dot: no comma, quote or bracket of a
C++ name can mean anything to a shell, to ncu or to its expressions.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from dsprof.harness.counters import Counters
from dsprof.harness.timeline import WHOLE, KernelTime, Timeline

# ncu's expressions recurse by the character; template names have thousands.
MOST_CHARACTERS = 400
# Kernels that wait for another GPU hang when ncu replays them alone.
WAITS_FOR_PEERS = re.compile(
    r"nccl(Dev)?Kernel|multimem|cross_device|nvshmem", re.IGNORECASE
)
PEERS_REASON = (
    "it waits for other GPUs, and ncu replays a kernel alone: left out by design."
)
_SPECIAL = re.compile(r"([@,\[\]/*+])")  # in ncu's NVTX expressions
_OPENS = {">": "<", ")": "(", "]": "[", "}": "{"}

Sizes = tuple[tuple[int, int, int], tuple[int, int, int]]
Spell = Callable[[str], str]
"""One spelling for names that two profilers write differently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The longest kernels of a range: ``wanted`` to profile, ``excluded`` with why."""

    range: str
    domains: tuple[str, ...]  # of the range, beside the default one
    wanted: tuple[str, ...]
    excluded: Mapping[str, str]
    others: tuple[str, ...]  # of the range, not to be profiled
    configurations: Mapping[str, Mapping[Sizes, int]]  # of wanted: their time in ns

    def narrowed(self, wanted: Collection[str]) -> "Selection":
        """Only these of the wanted kernels."""
        return replace(self, wanted=tuple(n for n in self.wanted if n in wanted))

    def by_loading(self) -> "tuple[Selection, ...]":
        """Parts that ncu's name filter gets right, each for a run of its own.

        ncu 2025.3.1 filters kernels that a library loads by itself (cuBLASLt's nvjet,
        cuDNN's, Triton's) by the name of such a kernel before; among themselves that
        does no harm, but after a profiled kernel of a program's own it passes them by.
        Their names are C names, without parameters.
        """
        own = [name for name in self.wanted if "(" in name]
        loaded = [name for name in self.wanted if "(" not in name]
        return tuple(self.narrowed(part) for part in (own, loaded) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCoverage:
    """How much of a kernel's time its profiled launch configurations stand for."""

    kernel_name: str
    configurations: int
    profiled: int
    total_ns: int
    profiled_ns: int


def select_kernels(timeline: Timeline, range_name: str, top: int) -> Selection:
    """The ``top`` kernels of a range by total time."""
    rows = timeline.kernel_rows(range_name)
    longest = [row.kernel_name for row in rows[:top]]
    wanted = tuple(name for name in longest if not WAITS_FOR_PEERS.search(name))
    time = timeline.range_time(range_name)
    domains = time.domain.split(", ") if time is not None and time.domain else []
    return Selection(
        range=range_name,
        domains=tuple(domains),
        wanted=wanted,
        excluded={name: PEERS_REASON for name in longest if name not in wanted},
        others=tuple(row.kernel_name for row in rows if row.kernel_name not in wanted),
        configurations={
            name: _sizes(timeline.configurations(range_name, name)) for name in wanted
        },
    )


def _sizes(rows: Sequence[KernelTime]) -> Mapping[Sizes, int]:
    return {
        (row.grid, row.block): row.total_ns
        for row in rows
        if row.grid is not None and row.block is not None
    }


def name_filter(selection: Selection) -> str:
    """Ncu's ``--kernel-name`` for these demangled names, and for few others."""
    parts = {_beginning(name, selection.others) for name in selection.wanted}
    return f"regex:^({'|'.join(sorted(parts))})"


def function_filter(selection: Selection) -> str:
    """The same by function name alone, however names are demangled."""
    names = [function_name(name) for name in selection.wanted]
    parts = {_masked(name, len(name)) for name in names}
    return f"regex:^({'|'.join(sorted(parts))})"


def _beginning(name: str, others: Collection[str]) -> str:
    """As much of a name as tells it from the others, masked; ``$`` after all of it."""
    head = len(re.split(r"[<(]", name, maxsplit=1)[0]) + 1
    length = max([head, *(_told_at(name, other) for other in others)])
    return _masked(name, min(length, MOST_CHARACTERS))


def _told_at(name: str, other: str) -> int:
    """How much of a masked name it takes to refuse the other one."""
    for position, (mine, theirs) in enumerate(zip(name, other, strict=False)):
        if mine != theirs and _is_plain(mine):
            return position + 1
    return len(name) if len(name) <= len(other) else len(other) + 1


def _is_plain(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")


def _masked(name: str, length: int) -> str:
    """The beginning of a name as an expression, with ``$`` where that is all of it.

    It ends before the first character that is several bytes: how many of them a dot
    stands for is ncu's affair.
    """
    plain = re.match(r"[\x00-\x7f]*", name[:length])
    beginning = plain[0] if plain else ""
    masked = "".join(c if _is_plain(c) else "." for c in beginning)
    return masked + ("$" if len(beginning) == len(name) else "")


def function_name(demangled: str) -> str:
    """The bare name of a function, without return type, scopes and arguments."""
    text = demangled.strip()
    for closing in (")", ">"):  # parameters, then template arguments
        if text.endswith(closing):
            text = text[: _opening(text)].rstrip()
    found = re.search(r"[^\s:*&<>()]+$", text)
    return found[0] if found else demangled


def _opening(text: str) -> int:
    """Where the bracket opens that the last character closes."""
    open_brackets: list[str] = []
    for position in range(len(text) - 1, -1, -1):
        character = text[position]
        if character in _OPENS:
            open_brackets.append(_OPENS[character])
        elif open_brackets and character == open_brackets[-1]:
            open_brackets.pop()
            if not open_brackets:
                return position
    return len(text)


def nvtx_options(selection: Selection) -> tuple[str, ...]:
    """Ncu's filter for launches in the range, be it push/pop or start/end."""
    if selection.range == WHOLE:
        return ()
    name = selection.range
    for domain in selection.domains:  # where two of them have a range of this message
        name = name.removesuffix(f"@{domain}")
    scopes = ("", *(f"{_escaped(domain)}@" for domain in selection.domains))
    forms = [f"{scope}{_escaped(name)}{end}" for scope in scopes for end in ("/", "")]
    return ("--nvtx", *(word for form in forms for word in ("--nvtx-include", form)))


def _escaped(name: str) -> str:
    return _SPECIAL.sub(r"\\\1", name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What of a report belongs to a selection."""

    counters: tuple[Counters, ...]  # under the timeline's names, one a configuration
    strangers: Mapping[str, frozenset[Sizes]]  # sizes that the timeline lacks, by name


def join_launches(
    selection: Selection, launches: Sequence[Counters], spell: Spell = str
) -> Joined:
    """Match launches to kernels by name, grid and block; the first of each counts.

    Launches of one configuration that differ in dynamic shared memory are kept.
    """
    names: dict[str, list[str]] = {}
    for name in selection.wanted:
        names.setdefault(spell(name), []).append(name)
    kept: dict[tuple[str, Sizes, float | None], Counters] = {}
    strangers: dict[str, set[Sizes]] = {}
    for launch in launches:
        sizes = (launch.grid, launch.block)
        candidates = names.get(spell(launch.kernel_name), [])
        known = [n for n in candidates if sizes in selection.configurations[n]]
        for name in known[:1]:
            key = (name, sizes, launch.shared_memory_dynamic_bytes)
            kept.setdefault(key, replace(launch, kernel_name=name))
        if not known:
            for name in candidates:
                strangers.setdefault(name, set()).add(sizes)
    return Joined(
        counters=tuple(kept.values()),
        strangers={name: frozenset(found) for name, found in strangers.items()},
    )


def kernel_coverage(
    selection: Selection, counters: Sequence[Counters]
) -> tuple[KernelCoverage, ...]:
    """By wanted kernel, the longest first, what its launches under ncu stand for."""
    seen = {(row.kernel_name, (row.grid, row.block)) for row in counters}
    found = []
    for name in selection.wanted:
        times = selection.configurations[name]
        profiled = {sizes for sizes in times if (name, sizes) in seen}
        found.append(
            KernelCoverage(
                kernel_name=name,
                configurations=len(times),
                profiled=len(profiled),
                total_ns=sum(times.values()),
                profiled_ns=sum(times[sizes] for sizes in profiled),
            )
        )
    return tuple(found)
