"""What a kernel is, told by its name: library, friendly name, description, family.

The patterns are data, in ``kernel_names.toml``; its first lines explain them.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from dsprof.analysis.name_normal import normalize

KERNEL_NAMES_TOML = Path(__file__).with_name("kernel_names.toml")
UNKNOWN_LIBRARY = "unknown"

_UNNAMED = "<unnamed>"
_WORD_STARTS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_CACHED_NAMES = 65_536  # a long trace of many models has some thousands


class Family(StrEnum):
    """What kind of work a kernel does, whichever library it is from."""

    GEMM = "GEMM"
    GEMV = "GEMV"
    ATTENTION = "attention"
    ELEMENTWISE = "elementwise"
    COPY_CAST = "copy/cast"
    REDUCTION = "reduction"
    CONCAT = "concat"
    SORT_TOP_K = "sort/top-k"
    INDEX = "index"
    NORMALISATION = "normalisation"
    COMMUNICATION = "communication"
    ACTIVATION = "activation"
    ROUTING = "routing"  # which expert takes which token, and moving tokens there
    QUANTISATION = "quantisation"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class KernelName:
    """A kernel's name as people read it; ``unknown`` library where nobody can tell."""

    library: str
    friendly: str
    description: str
    family: Family


@dataclass(frozen=True, slots=True, kw_only=True)
class NamePattern:
    """One entry of the table; ``example`` is a real name that it is for."""

    head: re.Pattern[str]
    inside: re.Pattern[str] | None
    library: str
    friendly: str
    details: tuple[str, ...]
    description: str
    family: Family
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    patterns: tuple[NamePattern, ...]
    words: Mapping[str, str]


@lru_cache(maxsize=_CACHED_NAMES)
def name_kernel(demangled: str) -> KernelName:
    """Tell what a kernel is from its demangled name, of nsys, ncu or torch.profiler."""
    normal = normalize(demangled)
    head, arguments = _split(normal)
    for pattern, groups in _with_head(head):
        if pattern.inside is None:
            return _named(pattern, groups)
        match = pattern.inside.search(arguments)
        if match is not None:
            return _named(pattern, groups | match.groupdict())
    return KernelName(
        UNKNOWN_LIBRARY,
        head.removesuffix("()") or normal,
        "A kernel that no pattern knows",
        Family.OTHER,
    )


def matching_pattern(demangled: str) -> NamePattern | None:
    """Return the entry of the table that names this kernel; None where none does."""
    head, arguments = _split(normalize(demangled))
    for pattern, _ in _with_head(head):
        if pattern.inside is None or pattern.inside.search(arguments):
            return pattern
    return None


@cache
def name_patterns() -> tuple[NamePattern, ...]:
    """Every entry of the table, in the order in which they are tried."""
    return _table().patterns


def _split(normal: str) -> tuple[str, str]:
    """The function, with ``()`` if it is C++, and its template arguments."""
    start = normal.find("<")
    while start >= 0 and normal.startswith(_UNNAMED, start):
        start = normal.find("<", start + len(_UNNAMED))
    if start < 0:
        return normal, ""
    return normal[:start] + ("()" if normal.endswith("()") else ""), normal[start:]


@lru_cache(maxsize=_CACHED_NAMES)
def _with_head(head: str) -> tuple[tuple[NamePattern, dict[str, str | None]], ...]:
    """The entries for a function, whatever its template arguments."""
    found = []
    for pattern in name_patterns():
        match = pattern.head.fullmatch(head)
        if match is not None:
            found.append((pattern, match.groupdict()))
            if pattern.inside is None:
                break
    return tuple(found)


def _named(pattern: NamePattern, groups: Mapping[str, str | None]) -> KernelName:
    fields = {
        group: _spoken(group, text)
        for group, text in groups.items()
        if text is not None
    }
    details = [_filled(detail, fields) for detail in pattern.details]
    known = ", ".join(detail for detail in details if detail is not None)
    friendly = _filled(pattern.friendly, fields) or pattern.friendly
    return KernelName(
        pattern.library,
        f"{friendly} ({known})" if known else friendly,
        _filled(pattern.description, fields) or pattern.description,
        pattern.family,
    )


def _filled(template: str, fields: Mapping[str, str]) -> str | None:
    """None where a field of the template was not in the name."""
    try:
        return template.format_map(fields)
    except KeyError:
        return None


def _spoken(group: str, text: str) -> str:
    """A type, flag or operation as people write it."""
    words = _table().words
    if text in words:
        return words[text]
    if group != "op":
        return text
    parts = _WORD_STARTS.sub("_", text).strip("_").split("_")
    return " ".join(words.get(part) or part[:1].upper() + part[1:] for part in parts)


@cache
def _table() -> _Table:
    document = tomllib.loads(KERNEL_NAMES_TOML.read_text(encoding="utf-8"))
    parts = document["parts"]
    return _Table(
        patterns=tuple(_pattern(entry, parts) for entry in document["kernel"]),
        words=document["words"],
    )


def _pattern(entry: Mapping[str, Any], parts: Mapping[str, str]) -> NamePattern:
    inside = entry.get("inside")
    end = "" if entry.get("plain", False) else r"(?:\(\))?"
    return NamePattern(
        head=re.compile(f"(?:{_expanded(entry['head'], parts)}){end}"),
        inside=None if inside is None else re.compile(_expanded(inside, parts)),
        library=entry["library"],
        friendly=entry["friendly"],
        details=tuple(entry.get("details", ())),
        description=entry["description"],
        family=Family(entry["family"]),
        example=entry["example"],
    )


def _expanded(pattern: str, parts: Mapping[str, str]) -> str:
    """A pattern with every ``@name@`` replaced by that part."""
    return re.sub(r"@(\w+)@", lambda match: parts[match[1]], pattern)
